// The answer of the model: probabilities of classes, numbers in their unit, or values as they are.

import { element } from "../../scripts/elements.js";
import { fixed, short } from "../../scripts/numbers.js";
import { softmax } from "./arrays.js";
import { ValueFigure } from "./walk.js";

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

/** Numbers in the unit of the target. */
export function numbersOf(y, target, truth) {
  const D = target.mean.length;
  const values = Array.from(y, (x, i) => x * target.deviation[i % D] + target.mean[i % D]);
  const shown = values.slice(0, 24).map((x) => short(x, 4));
  const text = shown.join(", ") + (values.length > shown.length ? ", …" : "");
  const sentence = element("p", { class: "verdict" }, element("strong", {}, text));
  if (truth) sentence.append(` where ${truth} is true`);
  return [sentence];
}

/** The part of the page with the answer. */
export class Answers {
  constructor(page, node) {
    this.page = page;
    this.node = node;
    const { answers, kind } = page.lab;
    this.text = element("div", { "aria-live": "polite" });
    this.figures = answers.map((value) => new ValueFigure(page, value, value.path));
    node.append(this.text);
    if (kind !== "classes") node.append(...this.figures.map((figure) => figure.node));
  }

  /** Show the answers, arrays in the order of the page's data. */
  update(answers, truth) {
    const { kind, classes, target } = this.page.lab;
    if (kind === "classes") {
      const choose = (column) => this.page.select(this.figures[0], { tile: 0, row: 0, column });
      this.text.replaceChildren(...classBars(answers[0], classes, truth, choose));
    }
    if (kind === "numbers") this.text.replaceChildren(...numbersOf(answers[0], target, truth));
    this.figures.forEach((figure, i) => figure.update(answers[i]));
  }
}
