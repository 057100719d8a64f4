// The page: an input, the model that runs on it, and what is seen of it.

import { readAddress, writeAddress } from "../../scripts/address.js";
import { onColours } from "../../scripts/colours.js";
import { byId, element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { ANSWER } from "./answer_numbers.js";
import { Answers } from "./answers.js";
import { BoxesAnswer } from "./boxes_answer.js";
import { largest } from "./arrays.js";
import { Inspector } from "./inspector.js";
import { makeInput } from "./inputs.js";
import { cellOf, hasCell } from "./layout.js";
import { legend } from "./legend.js";
import { TrainedModel, inputsOf } from "./model.js";
import { packed, unpack } from "./packing.js";
import { NextTokens } from "./next_tokens.js";
import { tokenizer } from "./tokenizers.js";
import { Training } from "./training.js";
import { Walk } from "./walk.js";

const DEFAULTS = { example: 0, x: "", off: "", at: "", moment: -1 };

/** The page of a run. */
class Page {
  constructor(lab, program, backward, streamed) {
    this.lab = lab;
    this.model = new TrainedModel(lab, program, backward);
    this.selected = null;
    this.real = {};
    this.last = 0;
    this.tokens = {};
    this.truth = "";
    this.state = readAddress(location.hash, DEFAULTS);
    this.tip = element("div", { class: "tip", role: "status" });
    document.body.append(this.tip);
    this.tokenizer = lab.input.tokenizer && tokenizer(lab.input.tokenizer);
    const Answer = { tokens: NextTokens, boxes: BoxesAnswer }[lab.kind] ?? Answers;
    this.answers = new Answer(this, byId("answer"), streamed);
    const walk = new Walk(this, lab);
    this.figures = walk.figures;
    byId("walk").append(legend(lab.values), walk.node);
    this.training = new Training(this, byId("training"));
    this.inspector = new Inspector(this, byId("inspector"));
    this.input = makeInput(this, byId("input"));
    this.asked = false;
    this.isBehind = false;
    addEventListener("resize", () => this.show());
    onColours(() => this.show());
  }

  /** Take an example as the input. */
  choose(i) {
    const example = this.lab.input.examples[i];
    this.state.example = i;
    this.truth = example?.truth ?? "";
    this.state.x = "";
    this.inputs = inputsOf(this.lab, example);
    this.input.take(example);
    this.changed(true);
  }

  /** The input or a factor has changed: compute at the next frame. */
  changed(isExample = false) {
    if (!isExample) {
      this.truth = "";
      this.state.x = this.input.written?.() ?? packed(this.lab.input, this.inputs);
    }
    if (this.asked || !this.inputs) return;
    this.asked = true;
    requestAnimationFrame(() => this.compute());
  }

  /** Compute what is shown: everything, or while the model writes on its next token alone. */
  compute() {
    this.asked = false;
    this.isBehind = true;
    const start = performance.now();
    if (this.answers.readsOn?.()) {
      this.tellTime(start);
      this.input.update();
      this.remember();
    } else this.show();
  }

  /** Compute everything. */
  run() {
    const start = performance.now();
    this.model.run(this.inputs);
    this.tellTime(start);
    this.isBehind = false;
  }

  tellTime(start) {
    byId("time").textContent = `computed here in ${short(performance.now() - start, 2)} ms`;
  }

  /** Run the model and draw everything, if what is drawn is not of this input. */
  catchUp() {
    if (this.isBehind) this.show();
  }

  /** Draw everything anew. */
  show() {
    if (this.isBehind) this.run();
    if (!this.model.results) return;
    this.input.update();
    this.answers.update(this.model.results.answers, this.truth);
    for (const figure of this.figures) figure.update(this.model.valueOf(figure.value));
    this.training.update();
    this.inspector.update();
    this.remember();
  }

  /** The texts of the tokens that are read of an input, by its name. */
  tokensOf(name) {
    return this.tokens[name] ?? [];
  }

  /** The size of a number that has the full colour. */
  scaleOf(data) {
    return largest(data);
  }

  /** Look at one number of a figure. */
  select(figure, cell) {
    this.selected = { figure, value: figure.value, cell };
    this.show();
  }

  /** Look at no number any more. */
  leave() {
    this.selected = null;
    this.show();
  }

  /** Look at the number of a captured value at a place, and bring it into view. */
  goTo(path, place) {
    const figure = this.figures.find(({ value }) => value.path === path);
    if (!figure) return;
    figure.choose(place.stack ?? 0);
    this.select(figure, cellOf(figure.value, place));
    figure.node.scrollIntoView({ block: "nearest" });
  }

  /** A text beside the pointer. */
  tell(text, event) {
    this.tip.textContent = text;
    if (!event) return;
    const left = Math.min(event.pageX + 14, document.documentElement.clientWidth - 190);
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${event.pageY + 18}px`;
  }

  remember() {
    const changes = this.model.changes();
    this.state.off = changes.map(({ path, part, factor }) => `${path}:${part}:${factor}`).join(",");
    const { selected } = this;
    this.state.at = selected
      ? [this.nameOf(selected), ...Object.values(selected.cell), selected.figure.stack].join(":")
      : "";
    history.replaceState(null, "", `#${writeAddress(this.state, DEFAULTS)}`);
  }

  /** What the address calls the value of a figure. */
  nameOf({ value }) {
    return this.lab.answers.includes(value) ? `${ANSWER}${value.path}` : value.path;
  }

  /** Begin with what the address says. */
  start() {
    for (const change of this.state.off.split(",").filter(Boolean)) {
      const [path, ...numbers] = change.split(":");
      const factors = this.model.factors.get(path) ?? [];
      const [part, factor] = numbers.map(Number);
      if (part in factors && Number.isFinite(factor)) factors[part] = factor;
    }
    const { moment } = this.state;
    if (moment >= 0 && moment < this.lab.moments.length) this.training.go(moment);
    else this.state.moment = -1;
    const [path, ...cell] = this.state.at.split(":");
    const figures = [...this.figures, ...this.answers.numbers.figures];
    const figure = figures.find((other) => this.nameOf(other) === path);
    const [tile, row, column, stack = 0] = cell.map(Number);
    if (figure && hasCell(figure.value, { tile, row, column }, stack)) {
      figure.choose(stack);
      this.selected = { figure, value: figure.value, cell: { tile, row, column } };
    }
    const { x } = this.state;
    this.choose(Math.min(this.state.example, Math.max(0, this.lab.input.examples.length - 1)));
    if (!x) return;
    if (this.input.read) this.input.read(x);
    else if (unpack(this.lab.input, x, this.inputs)) this.changed();
  }
}

/** Start the page. */
export function startLab(lab, program, backward, streamed) {
  const page = new Page(lab, program, backward, streamed);
  page.start();
  return page;
}
