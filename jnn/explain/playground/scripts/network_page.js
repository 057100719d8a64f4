// The view of a network in training.

import { byId, element } from "../../scripts/elements.js";
import { fixed, short } from "../../scripts/numbers.js";
import { showControls } from "./control.js";
import { gridPoints } from "./heatmap.js";
import { LineChart, lineLegend } from "./line_chart.js";
import { dataControls, trainingControls } from "./network_controls.js";
import { NetworkView, scaleOf } from "./network_view.js";
import { NumbersView } from "./numbers_view.js";
import { OutputView } from "./output_view.js";
import { OwnPointsView } from "./own_points_view.js";
import { Player } from "./player.js";
import { activationsOf, kindOf, lossesFor } from "./state.js";
import { Trainer } from "./trainer.js";
import { WeightsTable } from "./weights_table.js";

const OF_DATA = ["set", "points", "noise", "flips", "own"];
const OF_START = ["seed", "layers", "features", "scale"];

/** Everything between the buttons of training and the drawing of what came of it. */
export class NetworkPage {
  constructor(programs, facts, change) {
    Object.assign(this, { facts, change, pointed: null });
    this.trainer = new Trainer(programs, facts);
    const point = (unit) => {
      this.pointed = unit;
      this.isStale = true;
    };
    this.network = new NetworkView(facts, change, point);
    this.own = new OwnPointsView(byId("own"), facts, change);
    this.output = new OutputView(byId("output"), facts, (x, y) => this.own.add(x, y));
    this.numbers = new NumbersView(byId("numbers"), facts, change);
    this.weights = new WeightsTable(byId("weights"), () => {
      this.isStale = true;
    });
    this.legend = element("div");
    byId("curve").replaceChildren(this.legend);
    this.chart = new LineChart(byId("curve"));
    this.grid = gridPoints(facts.grid, facts.edge);
    const epoch = () => this.player.advance(this.trainer.batches - this.trainer.place);
    this.player = new Player(byId("training"), "play", {
      step: () => this.step(),
      changed: () => this.recordAll(),
      restart: () => this.restart(),
      extra: [element("button", { id: "play-epoch", onclick: epoch }, "One epoch")],
    });
  }

  /** Back to the first weights. */
  restart() {
    this.trainer.restart(this.state);
    this.say("");
    this.isStale = true;
  }

  /** One step; if it is not finite, training stops and says why. */
  step() {
    if (this.trainer.step()) return true;
    this.player.pause();
    this.say(
      this.trainer.count === 0
        ? "There are no training points yet."
        : "The loss is no longer finite, since the steps are too large. Lower the learning rate and start again.",
    );
    return false;
  }

  /** Takes down the losses of this moment. */
  recordAll() {
    this.trainer.record();
    this.isStale = true;
  }

  /** A message above the network. */
  say(text) {
    byId("message").textContent = text;
  }

  /** Shows a state; what has changed decides what must be made anew. */
  show(state, before) {
    const changed = (names) => !before || names.some((name) => state[name] !== before[name]);
    const kind = kindOf(state, this.facts);
    const losses = lossesFor(kind);
    const wasCurve = before && kindOf(before, this.facts) === "curve";
    const suited = {};
    if (!losses.includes(state.loss)) [suited.loss] = losses;
    if (kind === "curve" && state.features !== "x") suited.features = "x";
    if (kind !== "curve" && wasCurve && state.features === "x") suited.features = "x,y";
    if (Object.keys(suited).length > 0) {
      this.change(suited, before);
      return;
    }
    this.state = state;
    showControls("data-controls", dataControls(state, this.facts), state, this.change);
    showControls("training-controls", trainingControls(state, this.facts), state, this.change);
    this.own.show(state);
    this.trainer.configure(state);
    this.say("");
    if (changed([...OF_DATA, "seed"])) this.trainer.makeData(state);
    if (changed([...OF_DATA, ...OF_START, "loss"])) this.restart();
    if (changed([...OF_START, "activation", "lines"])) this.network.build(state);
    this.recordAll();
  }

  /** A moment: some steps if it plays, and what they changed. */
  tick(now) {
    this.player.tick(now);
    if (this.isStale) this.draw();
  }

  /** Draws everything. */
  draw() {
    this.isStale = false;
    const { trainer, facts, state } = this;
    const kind = kindOf(state, facts);
    const { neurons, output } = trainer.look(this.grid);
    const activations = activationsOf(state, facts);
    const shown = state.lines === "weights" ? trainer.params : trainer.gradients();
    this.network.weigh(shown);
    this.weights.show(state, facts, shown);
    this.network.draw(neurons, activations);
    const { value, text } = this.shown(neurons, output, activations);
    if (kind === "curve") {
      const middle = (facts.grid / 2) * facts.grid;
      this.output.drawCurve((i) => value(middle + i), trainer, text);
    } else {
      this.output.drawPlane(value, trainer, text, state.numbers ? state.example : null);
    }
    this.drawLosses(kind === "class");
    this.numbers.show(state, trainer);
    const batch = `step ${trainer.place} of ${trainer.batches}`;
    this.player.count.textContent = `epoch ${trainer.epoch}, ${batch}`;
  }

  /** The losses so far; accuracy is said where there are classes. */
  drawLosses(hasClasses) {
    const { history, latest, count } = this.trainer;
    if (count === 0) {
      this.legend.replaceChildren("There are no points yet.");
      this.chart.clear();
      return;
    }
    const rows = history.at(-1) === latest ? history : [...history, latest];
    const line = (name, part) => {
      const { loss, accuracy } = latest[part];
      const right = hasClasses ? ` (${short(100 * accuracy)} % right)` : "";
      const words = Number.isNaN(accuracy)
        ? `${name}: no points yet`
        : `${name} ${fixed(loss, 3)}${right}`;
      return { name, kind: part, words, values: rows.map((row) => row[part].loss) };
    };
    const lines = [line("test", "test"), line("training", "train")];
    this.legend.replaceChildren(lineLegend(lines.toReversed()));
    const steps = rows.map((row) => row.step);
    this.chart.draw(lines, steps);
  }

  /** The values of the large picture: those of the unit pointed at, or the output. */
  shown(neurons, output, activations) {
    const { grid, width, edge, features } = this.facts;
    if (!this.pointed) {
      const isCurve = kindOf(this.state, this.facts) === "curve";
      const what = isCurve ? "The line" : "The colour";
      const text = `${what} is the network's output. Dots are training points, rings are test points.`;
      return { value: (i) => output[i], text };
    }
    const { level, i } = this.pointed;
    const scale = level === 0 ? edge : scaleOf(activations[level - 1]);
    const start = level * grid * grid * width + i;
    const name =
      level === 0 ? `The input ${features[i]}` : `What neuron ${i + 1} of layer ${level} gives`;
    return { value: (k) => neurons[start + k * width] / scale, text: `${name} at each point.` };
  }
}
