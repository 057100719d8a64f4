// The view of two networks: a generator of points, and a discriminator that judges them.

import { css, isDark } from "../../scripts/colours.js";
import { byId, element } from "../../scripts/elements.js";
import { fixed } from "../../scripts/numbers.js";
import { below, under } from "../../scripts/program.js";
import { numbersFor, select, showControls, slider } from "./control.js";
import { card } from "./card.js";
import { drawHeatmap, gridPoints } from "./heatmap.js";
import { LineChart, lineLegend } from "./line_chart.js";
import { Player } from "./player.js";

const PLANE = 700;
const MOST_LOSSES = 400;
const TARGETS = {
  blob: "one cluster",
  two: "two clusters",
  ring: "a ring",
  eight: "eight clusters",
  arc: "a wave",
};
const GAME_RATES = [0, 0.0003, 0.001, 0.002, 0.004, 0.01, 0.03];

/** Both networks in training, and what each believes. */
export class GanPage {
  constructor(programs, facts, change) {
    Object.assign(this, { programs, facts, change });
    this.grid = gridPoints(facts.grid, facts.edge);
    this.belief = element("canvas");
    this.points = element("canvas", { width: PLANE, height: PLANE, role: "img" });
    this.losses = element("div");
    const curve = element("div");
    this.chart = new LineChart(curve);
    const bar = element("div", { class: "buttons", role: "group", "aria-label": "Training" });
    const hint =
      "Orange: the discriminator believes that points there are real; blue: that they are " +
      "generated. Rings are real points, dots are generated ones, and their tails point where " +
      "the generator is pushed.";
    const about =
      "At a loss of 1.39 (2 ln 2) of the discriminator and 0.69 of the generator neither wins: " +
      "real and generated points cannot be told apart, or the discriminator has given up.";
    byId("gan").replaceChildren(
      bar,
      element(
        "div",
        { class: "columns three" },
        card("Game", element("div", { id: "gan-controls", class: "controls" }), ...tries()),
        card(
          "Plane",
          element("div", { class: "picture" }, this.points),
          element("p", { class: "hint" }, hint),
        ),
        card("Losses", this.losses, curve, element("p", { class: "hint" }, about)),
      ),
    );
    this.player = new Player(bar, "game", {
      step: () => this.step(),
      changed: () => this.draw(),
      restart: () => this.restart(),
    });
  }

  /** The learning rates by path. */
  rates() {
    const { generator, discriminator } = this.state;
    return { "rates/generator": generator, "rates/discriminator": discriminator };
  }

  /** Shows a state; another target is pursued from where the networks are. */
  show(state, before) {
    this.state = state;
    const targets = this.facts.targets.map((name) => [name, TARGETS[name]]);
    const controls = [
      select("gan", "Real points", targets),
      select(
        "generator",
        "Learning rate of the generator",
        numbersFor(GAME_RATES, state.generator),
      ),
      select(
        "discriminator",
        "Learning rate of the discriminator",
        numbersFor(GAME_RATES, state.discriminator),
      ),
      slider("seed", "Seed", 0, 20, 1),
    ];
    showControls("gan-controls", controls, state, this.change);
    if (!this.game || !before || before.seed !== state.seed) this.restart();
    else this.draw();
  }

  /** Both networks as they were drawn. */
  restart() {
    this.game = this.programs.beginGame({ seed: this.state.seed, ...this.rates() });
    Object.assign(this, { steps: [], history: { generator: [], discriminator: [] }, count: 0 });
    this.every = 1;
    this.draw();
  }

  /** One step of both. */
  step() {
    const target = this.facts.targets.indexOf(this.state.gan);
    const result = this.programs.play({ ...under("state", this.game), ...this.rates(), target });
    this.game = below(result, "state");
    this.count += 1;
    if (this.count % this.every === 0) this.keep(result);
    return true;
  }

  /** Keeps the losses of a step; where there are many, every second is dropped. */
  keep(result) {
    this.steps.push(this.count);
    for (const name of Object.keys(this.history)) {
      this.history[name].push(result[`metrics/${name}`][0]);
    }
    if (this.steps.length < MOST_LOSSES) return;
    this.steps = everySecond(this.steps);
    this.history.generator = everySecond(this.history.generator);
    this.history.discriminator = everySecond(this.history.discriminator);
    this.every *= 2;
  }

  /** Time passes. */
  tick(now) {
    this.player.tick(now);
  }

  /** Draws beliefs, points and losses. */
  draw() {
    const target = this.facts.targets.indexOf(this.state.gan);
    const params = under("params", below(this.game, "params"));
    const { seed } = this.state;
    const seen = this.programs.judge({ ...params, target, seed, x: this.grid });
    const dark = isDark();
    drawHeatmap(this.belief, this.facts.grid, (i) => 0.8 * seen.belief[i], dark);
    this.drawPoints(seen, dark);
    const { generator, discriminator } = this.history;
    const lines = [
      lossLine("discriminator", discriminator, "run-0"),
      lossLine("generator", generator, "run-1"),
    ];
    this.losses.replaceChildren(lineLegend(lines));
    this.chart.draw(lines, this.steps);
    this.player.count.textContent = `step ${this.count}`;
    this.points.setAttribute("aria-label", `Real and generated points after ${this.count} steps`);
  }

  /** Real points as rings, generated ones as dots with tails along their slopes. */
  drawPoints({ real, fake, slopes }, dark) {
    const context = this.points.getContext("2d");
    const ink = dark ? [231, 233, 238] : [31, 36, 48];
    const at = (points, i, sign) => (PLANE / 2) * (1 + (sign * points[i]) / this.facts.edge);
    context.drawImage(this.belief, 0, 0, PLANE, PLANE);
    for (let i = 0; i < this.facts.shown; i++) {
      context.beginPath();
      context.arc(at(real, 2 * i, 1), at(real, 2 * i + 1, -1), 5, 0, 7);
      Object.assign(context, { strokeStyle: css(ink, 0.55), lineWidth: 2 });
      context.stroke();
    }
    for (let i = 0; i < this.facts.shown; i++) {
      const [x, y] = [at(fake, 2 * i, 1), at(fake, 2 * i + 1, -1)];
      const [u, v] = [slopes[2 * i], slopes[2 * i + 1]];
      const length = 26 / (0.3 + Math.hypot(u, v));
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + length * u, y - length * v);
      Object.assign(context, { strokeStyle: css(ink, 0.7), lineWidth: 1.5, fillStyle: css(ink) });
      context.stroke();
      context.beginPath();
      context.arc(x, y, 4.5, 0, 7);
      context.fill();
    }
  }
}

/** The line of the losses of one network, with its latest. */
function lossLine(name, values, kind) {
  const words = `${name}${values.length > 0 ? ` ${fixed(values.at(-1))}` : ""}`;
  return { name, values, kind, words };
}

/** Every second value. */
function everySecond(values) {
  return values.filter((_, i) => i % 2 === 1);
}

/** Links to states that are worth a try. */
function tries() {
  const links = {
    "one cluster": "view=gan&gan=blob",
    "eight clusters: which does it find?": "view=gan&gan=eight",
    "a discriminator that hardly learns": "view=gan&discriminator=0.0003",
    "a generator that does not learn": "view=gan&generator=0",
    "both too fast": "view=gan&generator=0.03&discriminator=0.03",
  };
  const items = Object.entries(links).map(([words, state]) =>
    element("li", {}, element("a", { href: `#${state}` }, words)),
  );
  return [element("h3", {}, "Try"), element("ul", { class: "tries" }, ...items)];
}
