// The answer of the model: probabilities of classes, numbers in their unit, or values as they are.

import { element, refill } from "../../scripts/elements.js";
import { fixed, short } from "../../scripts/numbers.js";
import { AnswerNumbers, placeOfElement } from "./answer_numbers.js";
import { softmax } from "./arrays.js";
import { drawFan } from "./fan.js";
import { brightness, paint } from "./picture_input.js";

const MOST = 10;

/** A list of bars: `{name, share, text, marked}` for each, shares from 0 to 1. */
export function bars(rows) {
  const letters = Math.max(...rows.map(({ name }) => name.length));
  const style = `--name:${Math.min(9, 1 + 0.55 * letters)}rem`;
  return element("ol", { class: "bars", style }, ...rows.map(bar));
}

function bar({ name, share, text, marked, onclick }) {
  const tag = onclick ? "button" : "span";
  const label = element(tag, { class: "name", title: name, onclick: onclick ?? false }, name);
  return element(
    "li",
    { class: marked ? "marked" : "" },
    label,
    element("span", { class: "bar", style: `--share:${(100 * share).toFixed(2)}%` }),
    element("span", { class: "number" }, text),
  );
}

/** The probabilities of classes as bars, the most probable ones where there are many. */
export function classBars(logits, classes, truth, choose) {
  const p = softmax(logits);
  let order = p.map((_, i) => i);
  if (classes.length > MOST + 2) order = order.toSorted((a, b) => p[b] - p[a]).slice(0, MOST);
  const best = p.indexOf(Math.max(...p));
  const sentence = element("p", { class: "verdict" }, element("strong", {}, classes[best]), " ");
  sentence.append(`with probability ${fixed(p[best], 3)}`);
  if (truth) sentence.append(truth === classes[best] ? ", which is right" : `; it is ${truth}`);
  const rows = order.map((i) => {
    return {
      name: classes[i],
      share: p[i],
      text: fixed(p[i], 3),
      marked: i === best,
      onclick: () => choose(i),
    };
  });
  return [sentence, bars(rows)];
}

/** Numbers in the unit of the target, as arrays like those of the model. */
export function inUnit(y, { mean, deviation }) {
  const D = mean.length;
  return y.map((x, i) => x * deviation[i % D] + mean[i % D]);
}

/** The numbers of an answer in a sentence; `choose(i)` looks at one of them. */
function numbersSentence(path, numbers, truth, choose) {
  const shown = Array.from(numbers.subarray(0, 24), (x, i) =>
    element("button", { type: "button", class: "number", onclick: () => choose(i) }, short(x, 4)),
  );
  const nodes = shown.flatMap((node, i) => (i ? [", ", node] : [node]));
  const more = numbers.length > shown.length ? ", …" : "";
  const sentence = element("p", { class: "verdict" }, path ? `${path} ` : "");
  sentence.append(element("strong", {}, ...nodes, more));
  if (truth) sentence.append(` where ${truth} is true`);
  return sentence;
}

/** Whether an answer is a picture: one of a generator, or like the picture of the input. */
export function isPicture(lab, { path, shape, kind }) {
  const [input] = lab.input.leaves;
  const isLike = lab.input.kind === "picture" && String(input.shape) === String(shape);
  const channels = shape.at(-1) === 1 || shape.at(-1) === 3;
  return kind === "maps" && channels && (isLike || path.includes("image"));
}

/** The part of the page with the answer. */
export class Answers {
  constructor(page, node) {
    this.page = page;
    this.node = node;
    const { answers, kind } = page.lab;
    this.text = element("div", { "aria-live": "polite" });
    this.numbers = new AnswerNumbers(page);
    const { figures } = this.numbers;
    this.pictures = answers.map((value) => isPicture(page.lab, value) && element("canvas"));
    this.isFan = kind === "numbers" && answers.map(({ path }) => path).join() === "mean,quantiles";
    this.fan = element("canvas", { role: "img", "aria-label": "the forecast with its quantiles" });
    node.append(this.text, element("div", { class: "canvas" }, this.isFan ? this.fan : ""));
    this.pictures.forEach((canvas, i) => {
      if (!canvas) return;
      const size = `width:100%;max-width:${14 * 16}px;height:auto`;
      canvas.setAttribute("style", size);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", answers[i].path || "the answer");
      node.append(element("p", { class: "quiet" }, answers[i].path), canvas);
    });
    const drawn = figures.filter((_, i) => kind === "values" && !this.pictures[i]);
    node.append(...drawn.map((figure) => figure.node));
    if (drawn.length < figures.length) node.append(this.numbers.node);
  }

  /** Show the answers, arrays in the order of the page's data. */
  update(answers, truth) {
    const { lab } = this.page;
    const { kind, classes, target } = lab;
    if (kind === "classes") {
      const choose = (unit) => this.numbers.choose({ unit });
      refill(this.text, ...classBars(answers[0], classes, truth, choose));
    }
    if (kind === "values") {
      const known = truth
        ? [element("p", { class: "quiet" }, `Its label in the data is ${truth}.`)]
        : [];
      this.text.replaceChildren(...known);
    }
    if (kind === "numbers") {
      const numbers = target ? answers.map((y) => inUnit(y, target)) : answers;
      this.showNumbers(numbers, truth);
    }
    this.numbers.update(answers);
    this.pictures.forEach((canvas, i) => {
      if (canvas) paint(canvas, brightness(answers[i]), lab.answers[i].shape);
    });
  }

  showNumbers(numbers, truth) {
    const { answers } = this.page.lab;
    const shown = this.isFan ? numbers.slice(0, 1) : numbers;
    const sentences = shown.map((y, i) => {
      const choose = (number) =>
        this.numbers.choose(placeOfElement(answers[i], number), answers[i].path);
      return numbersSentence(answers[i].path, y, truth, choose);
    });
    refill(this.text, ...sentences);
    if (this.isFan) {
      const H = this.page.lab.answers[0].shape.at(-1);
      const Q = this.page.lab.answers[1].shape.at(-2);
      const [means, quantiles] = [numbers[0].subarray(0, H), numbers[1].subarray(0, Q * H)];
      drawFan(this.fan, means, quantiles, this.fan.parentElement.clientWidth);
    }
  }
}
