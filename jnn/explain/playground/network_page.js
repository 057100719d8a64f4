// The view of a network in training.

import { byId, element } from "../scripts/elements.js";
import { CurveView } from "./curve_view.js";
import { gridPoints } from "./heatmap.js";
import { NetworkView, scaleOf } from "./network_view.js";
import { OutputView } from "./output_view.js";
import { parsePoints, pointsText } from "./own_points.js";
import { activationsOf, kindOf, lossesFor, widthsOf } from "./state.js";
import { Trainer } from "./trainer.js";

const OF_DATA = ["set", "points", "noise", "flips", "own"];
const OF_START = ["seed", "layers", "features", "scale"];
const SPEEDS = { slow: 1, normal: 10, fast: 1000 };
const BUDGET = 10;

/** Everything between the buttons of training and the drawing of what came of it. */
export class NetworkPage {
  constructor(programs, facts, change) {
    Object.assign(this, { facts, change, isPlaying: false, speed: "normal", pointed: null });
    this.trainer = new Trainer(programs, facts);
    const point = (unit) => {
      this.pointed = unit;
      this.isStale = true;
    };
    this.network = new NetworkView(facts, change, point);
    this.output = new OutputView(byId("output"), facts, (x, y) => this.press(x, y));
    this.curve = new CurveView(byId("curve"));
    this.grid = gridPoints(facts.grid, facts.edge);
    this.buildBar();
  }

  /** The buttons above the network. */
  buildBar() {
    this.play = element("button", { class: "play", id: "play", onclick: () => this.toggle() });
    const step = () => this.advance(1);
    const epoch = () => this.advance(this.trainer.batches - this.trainer.place);
    this.count = element("output", { class: "count", id: "count" });
    const speeds = Object.keys(SPEEDS).map((name) =>
      element("option", { value: name, selected: name === this.speed }, name),
    );
    const speed = element("select", { id: "speed" }, ...speeds);
    speed.addEventListener("change", () => {
      this.speed = speed.value;
    });
    byId("training").replaceChildren(
      this.play,
      element("button", { id: "step", onclick: step }, "One step"),
      element("button", { id: "epoch", onclick: epoch }, "One epoch"),
      element("button", { id: "reset", onclick: () => this.restart() }, "Start again"),
      element("label", { for: "speed" }, "Speed"),
      speed,
      this.count,
    );
    this.nameButton();
  }

  /** The button says what it would do. */
  nameButton() {
    this.play.textContent = this.isPlaying ? "❚❚ Pause" : "▶ Train";
    this.play.setAttribute("aria-pressed", String(this.isPlaying));
  }

  /** Plays or pauses. */
  toggle() {
    this.isPlaying = !this.isPlaying;
    this.nameButton();
  }

  /** Back to the first weights. */
  restart() {
    this.trainer.restart(this.state);
    this.say("");
    this.isStale = true;
  }

  /** Steps at once. */
  advance(steps) {
    for (let i = 0; i < steps && this.one(); i++);
    this.trainer.record();
    this.isStale = true;
  }

  /** One step; if it is not finite, training stops and says why. */
  one() {
    if (this.trainer.step()) return true;
    const why =
      this.trainer.count === 0
        ? "There are no training points."
        : "The loss is no longer finite: steps are too large. Lower the learning rate and start again.";
    this.say(why);
    if (this.isPlaying) this.toggle();
    return false;
  }

  /** A message above the network. */
  say(text) {
    byId("message").textContent = text;
  }

  /** Shows a state; what has changed decides what must be made anew. */
  show(state, before) {
    const changed = (names) => !before || names.some((name) => state[name] !== before[name]);
    this.state = state;
    const kind = kindOf(state, this.facts);
    if (!lossesFor(kind).includes(state.loss)) {
      this.change("loss", lossesFor(kind)[0]);
      return;
    }
    if (kind === "curve" && state.features !== "x") {
      this.change("features", "x");
      return;
    }
    this.trainer.configure(state);
    if (changed([...OF_DATA, "seed"])) this.trainer.makeData(state);
    if (changed([...OF_DATA, ...OF_START, "loss"])) {
      this.trainer.restart(state);
      this.say("");
    }
    if (changed([...OF_START, "activation"])) this.network.build(state);
    this.trainer.record();
    this.isStale = true;
  }

  /** A press on the picture adds a point, where the points are the reader's. */
  press(x, y) {
    if (this.state.set !== "own") return;
    const { edge, points } = this.facts;
    const own = parsePoints(this.state.own, edge, points);
    if (own.length < points) this.change("own", pointsText([...own, [x, y, this.drawnClass ?? 1]]));
  }

  /** A moment: some steps if it plays, and what they changed. */
  tick(now) {
    if (this.isPlaying && (this.speed !== "slow" || now - (this.before ?? 0) > 250)) {
      this.before = now;
      const end = performance.now() + BUDGET;
      let left = SPEEDS[this.speed];
      while (left > 0 && this.one() && performance.now() < end) left -= 1;
      this.trainer.record();
      this.isStale = true;
    }
    if (this.isStale) this.draw();
  }

  /** Draws everything. */
  draw() {
    this.isStale = false;
    const { trainer, facts, state } = this;
    const kind = kindOf(state, facts);
    const { neurons, output } = trainer.look(this.grid);
    const activations = activationsOf(state, facts);
    this.network.weigh(trainer.params);
    this.network.draw(neurons, activations);
    const { value, text } = this.shown(neurons, output, activations);
    if (kind === "curve") {
      const middle = (facts.grid / 2) * facts.grid;
      this.output.drawCurve((i) => value(middle + i), trainer, text);
    } else {
      this.output.drawPlane(value, trainer, text);
    }
    this.curve.draw(trainer, kind === "class");
    const batch = `step ${trainer.place} of ${trainer.batches}`;
    this.count.textContent = `epoch ${trainer.epoch}, ${batch}`;
  }

  /** The values of the large picture: those of the unit pointed at, or the output. */
  shown(neurons, output, activations) {
    const { grid, width } = this.facts;
    if (!this.pointed) {
      const isCurve = kindOf(this.state, this.facts) === "curve";
      const text = isCurve
        ? "The line is the network's output. Dots are training points, circles test points."
        : "Colour is the network's output. Dots are training points, circles test points.";
      return { value: (i) => output[i], text };
    }
    const { level, i } = this.pointed;
    const scale = level === 0 ? this.facts.edge : scaleOf(activations[level - 1]);
    const start = level * grid * grid * width + i;
    const name =
      level === 0
        ? `The input ${this.facts.features[i]}`
        : `What neuron ${i + 1} of layer ${level} of ${widthsOf(this.state).length} gives`;
    return { value: (k) => neurons[start + k * width] / scale, text: `${name} at each point.` };
  }
}
