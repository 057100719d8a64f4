// What a model of texts says comes next, and what it writes.

import { element, refill } from "../../scripts/elements.js";
import { fixed, short } from "../../scripts/numbers.js";
import { AnswerNumbers } from "./answer_numbers.js";
import { bars } from "./answers.js";
import { softmax } from "./arrays.js";
import { adjusted, drawn } from "./sampling.js";
import { Stream } from "./stream.js";

const SHOWN = 10;
const PACE = 50; // milliseconds
const SETTINGS = [
  ["temperature", "temperature", 0, 2, 0.05, 0.8],
  ["topK", "top-k (0 for all)", 0, 50, 1, 0],
  ["topP", "top-p", 0.05, 1, 0.05, 1],
  ["minP", "min-p", 0, 0.5, 0.01, 0],
];

/** A token as people can see it. */
export function visible(text) {
  return text === " " ? "␣" : text.replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
}

/** What the next token is drawn from: of logits those of the `count` tokens that there are. */
export function nextProbabilities(logits, count, sampling) {
  return softmax(adjusted(logits.slice(0, count), sampling));
}

/** The part of the page with the next token; `streamed` are the modules of a stream, if any. */
export class NextTokens {
  constructor(page, node, streamed = null) {
    this.page = page;
    this.stream = streamed && new Stream(page.model, streamed);
    this.sampling = {};
    this.list = element("div", { "aria-live": "polite" });
    const one = element("button", { type: "button", onclick: () => this.write() }, "Write one");
    this.button = element("button", { type: "button", onclick: () => this.toggle() }, "Write on");
    const controls = SETTINGS.map((setting) => this.slider(setting));
    const box = element(
      "details",
      {},
      element("summary", {}, "How the token is drawn"),
      ...controls,
    );
    const why = page.lab.rereads ? element("p", { class: "quiet" }, page.lab.rereads) : "";
    this.numbers = new AnswerNumbers(page);
    const buttons = element("p", { class: "buttons" }, one, " ", this.button);
    node.append(this.list, buttons, why, box, this.numbers.node);
  }

  slider([name, text, min, max, step, value]) {
    this.sampling[name] = value;
    const shown = element("output", {}, short(value));
    const change = (event) => {
      this.sampling[name] = Number(event.target.value);
      shown.textContent = short(this.sampling[name]);
      this.draw();
    };
    const range = { type: "range", min, max, step, value, oninput: change };
    const input = element("input", { ...range, "aria-label": text });
    return element("label", { class: "control" }, element("span", {}, `${text} `, shown), input);
  }

  /** Show the probabilities after the last token that is real, by the answer of the model. */
  update([logits]) {
    const V = this.page.lab.answers[0].shape.at(-1);
    const { last } = this.page;
    this.numbers.update([logits]);
    this.logits = logits.slice(last * V, (last + 1) * V);
    this.draw();
    this.goOn();
  }

  /** While it writes, read on token by token; false where the whole model has to be computed. */
  readsOn() {
    const { page } = this;
    if (!this.isWriting || !this.stream?.isWhole) return false;
    this.logits = this.stream.logits(page.inputs, page.last + 1);
    this.draw();
    this.goOn();
    return true;
  }

  /** Draw the probabilities of the most probable tokens. */
  draw() {
    if (!this.logits) return;
    const count = this.page.lab.input.tokenizer.tokens.length;
    this.probabilities = nextProbabilities(this.logits, count, this.sampling);
    const order = Array.from(this.probabilities.keys());
    order.sort((a, b) => this.probabilities[b] - this.probabilities[a]);
    const rows = order.slice(0, SHOWN).map((token, i) => {
      const share = this.probabilities[token];
      const name = visible(this.page.tokenizer.text(token));
      const onclick = () => this.numbers.choose({ time: this.page.last, unit: token });
      return { name, share, text: fixed(share, 3), marked: i === 0, onclick };
    });
    refill(this.list, element("p", { class: "quiet" }, "The next token:"), bars(rows));
  }

  write() {
    const token = drawn(this.probabilities, Math.random());
    const goesOn = this.page.input.append(token);
    if (!goesOn) this.stop();
    return goesOn;
  }

  toggle() {
    if (this.isWriting) {
      this.stop();
      return;
    }
    this.isWriting = true;
    this.button.textContent = "Stop";
    this.write();
  }

  /** Draw the next token once the page has computed its probabilities, and was seen. */
  goOn() {
    if (!this.isWriting) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.isWriting && this.write(), PACE);
  }

  stop() {
    this.isWriting = false;
    clearTimeout(this.waiting);
    this.button.textContent = "Write on";
    this.page.catchUp();
  }
}
