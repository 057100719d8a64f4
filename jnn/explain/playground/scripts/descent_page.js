// The view of three optimizers on the loss surface of two params.

import { css, isDark } from "../../scripts/colours.js";
import { byId, element } from "../../scripts/elements.js";
import { fixed } from "../../scripts/numbers.js";
import { under } from "../../scripts/program.js";
import { card } from "./card.js";
import { showControls } from "./control.js";
import { descentControls } from "./descent_controls.js";
import { gridPoints } from "./heatmap.js";
import { LineChart } from "./line_chart.js";
import { Player } from "./player.js";

const MAP = 700;
const BANDS = 14;
const MOST = 3000;
const HIGH = { light: [240, 238, 233], dark: [112, 122, 138] };
const LOW = { light: [126, 146, 166], dark: [26, 30, 38] };

/** Three runs from one start: gradient descent, with momentum, and Adam. */
export class DescentPage {
  constructor(programs, facts, change) {
    Object.assign(this, { programs, facts, change });
    this.surface = element("canvas");
    this.paths = element("canvas", { width: MAP, height: MAP, role: "img" });
    this.paths.addEventListener("pointerdown", (event) => this.press(event));
    this.legend = element("ul", { class: "runs" });
    const curve = element("div");
    this.chart = new LineChart(curve);
    const bar = element("div", { class: "buttons", role: "group", "aria-label": "Steps" });
    const picture = element("div", { class: "picture" }, this.paths);
    const hint =
      "Light is a high loss, dark a low one; each band is a level. Press the picture to start there.";
    byId("descent").replaceChildren(
      bar,
      element(
        "div",
        { class: "columns three" },
        card("Surface", element("div", { id: "descent-controls", class: "controls" })),
        card("Params a (across) and b (up)", picture, element("p", { class: "hint" }, hint)),
        card("Loss", this.legend, curve),
      ),
    );
    this.player = new Player(bar, "descend", {
      step: () => this.step(),
      verb: "Descend",
      changed: () => this.drawPaths(),
      restart: () => this.restart(),
    });
  }

  /** Where the reader presses is the start. */
  press(event) {
    const frame = this.paths.getBoundingClientRect();
    const { edge } = this.facts;
    const across = edge * ((2 * (event.clientX - frame.left)) / frame.width - 1);
    const down = edge * ((2 * (event.clientY - frame.top)) / frame.height - 1);
    this.change({ a: Number(across.toFixed(2)), b: Number((-down).toFixed(2)) });
  }

  /** Shows a state; a change of the place begins anew, one of the rate goes on. */
  show(state, before) {
    this.state = state;
    showControls("descent-controls", descentControls(state, this.facts), state, this.change);
    const differs = (name) => !before || state[name] !== before[name];
    if (differs("surface")) this.drawSurface();
    if (["surface", "a", "b", "seed"].some(differs)) this.restart();
  }

  /** What each of the runs is, with its settings. */
  runs() {
    const { rate, push } = this.state;
    const hyper = (optimizer, momentum) => ({
      "hyper/optimizer": optimizer,
      "hyper/learning_rate": rate,
      "hyper/momentum": momentum,
      "hyper/decay": 0,
    });
    return [
      { name: "gradient descent", mark: "circle", hyper: hyper(0, 0) },
      { name: `with momentum ${push}`, mark: "square", hyper: hyper(0, push) },
      { name: "Adam", mark: "triangle", hyper: hyper(1, 0.9) },
    ];
  }

  /** All runs at the start. */
  restart() {
    const { a, b } = this.state;
    this.count = 0;
    this.tracks = this.runs().map(({ hyper }) => {
      const track = { places: [], losses: [] };
      this.visit(track, this.programs.begin({ a, b, ...hyper }));
      return track;
    });
    this.drawPaths();
  }

  /** Keeps the state of a track, its place, and the loss there. */
  visit(track, state) {
    const surface = this.facts.surfaces.indexOf(this.state.surface);
    const place = [state["params/a"][0], state["params/b"][0]];
    track.state = state;
    track.places.push(place);
    track.losses.push(this.programs.height({ surface, x: place })[""][0]);
  }

  /** One step of each. */
  step() {
    if (this.count >= MOST) {
      this.player.pause();
      return false;
    }
    const surface = this.facts.surfaces.indexOf(this.state.surface);
    const { seed, jitter } = this.state;
    this.runs().forEach(({ hyper }, i) => {
      const track = this.tracks[i];
      const shared = { surface, seed, noise: jitter, step: this.count };
      const before = under("state", track.state);
      this.visit(track, this.programs.descend({ ...before, ...hyper, ...shared }));
    });
    this.count += 1;
    return true;
  }

  /** Time passes. */
  tick(now) {
    this.player.tick(now);
  }

  /** Draws everything. */
  draw() {
    this.drawSurface();
    this.drawPaths();
  }

  /** The bands of the surface. */
  drawSurface() {
    const side = this.facts.fine;
    const surface = this.facts.surfaces.indexOf(this.state.surface);
    const x = gridPoints(side, this.facts.edge);
    const loss = this.programs.heights({ surface, x })[""];
    const low = Math.min(...loss);
    const range = Math.max(...loss) - low || 1;
    const theme = isDark() ? "dark" : "light";
    Object.assign(this.surface, { width: side, height: side });
    const context = this.surface.getContext("2d");
    const image = context.createImageData(side, side);
    loss.forEach((value, i) => {
      const level = Math.floor(BANDS * Math.sqrt((value - low) / range)) / BANDS;
      LOW[theme].forEach((c, k) => {
        image.data[4 * i + k] = c + (HIGH[theme][k] - c) * level;
      });
      image.data[4 * i + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  /** The paths so far, and the losses. */
  drawPaths() {
    const colours = runColours();
    const context = this.paths.getContext("2d");
    context.drawImage(this.surface, 0, 0, MAP, MAP);
    const at = ([a, b]) => [a, -b].map((x) => (MAP / 2) * (1 + x / this.facts.edge));
    const runs = this.runs();
    this.tracks.forEach(({ places }, i) => {
      Object.assign(context, { strokeStyle: colours[i], fillStyle: colours[i], lineWidth: 4 });
      context.beginPath();
      for (const place of places) context.lineTo(...at(place));
      context.stroke();
      mark(context, runs[i].mark, ...at(places.at(-1)));
    });
    const items = this.tracks.map(({ places, losses }, i) => {
      const [a, b] = places.at(-1).map((x) => fixed(x));
      const words = `${runs[i].name}: a = ${a}, b = ${b}, loss ${fixed(losses.at(-1), 4)}`;
      return element("li", { class: `run-${i}` }, words);
    });
    this.legend.replaceChildren(...items);
    this.chart.draw(
      this.tracks.map(({ losses }, i) => ({
        name: runs[i].name,
        values: losses,
        kind: `run-${i}`,
      })),
      Array.from({ length: this.count + 1 }, (_, i) => i),
    );
    this.player.count.textContent = `step ${this.count}`;
    this.paths.setAttribute("aria-label", items.map((item) => item.textContent).join("; "));
  }
}

/** The colours of the runs, as the style sheet has them. */
function runColours() {
  const style = getComputedStyle(document.documentElement);
  return ["--run-0", "--run-1", "--run-2"].map((name) => style.getPropertyValue(name).trim());
}

/** The place where a run is, in a form of its own. */
function mark(context, kind, x, y) {
  const r = 11;
  context.beginPath();
  if (kind === "circle") context.arc(x, y, r, 0, 7);
  if (kind === "square") context.rect(x - r, y - r, 2 * r, 2 * r);
  if (kind === "triangle") {
    for (const angle of [0, 1, 2].map((k) => (k * 2 * Math.PI) / 3 - Math.PI / 2)) {
      context.lineTo(x + 1.3 * r * Math.cos(angle), y + 1.3 * r * Math.sin(angle));
    }
    context.closePath();
  }
  context.fill();
  Object.assign(context, {
    strokeStyle: css(isDark() ? [20, 22, 28] : [255, 255, 255]),
    lineWidth: 2,
  });
  context.stroke();
}
