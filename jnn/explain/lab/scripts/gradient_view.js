// The gradient of a number to the input, drawn like the input.

import { css, isDark, signedColour } from "../../scripts/colours.js";
import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { largest } from "./arrays.js";
import { layout } from "./layout.js";
import { draw } from "./picture.js";
import { Reader, inputValue } from "./reader.js";

/** The nodes that show the gradients, an array for each leaf of numbers, or of vectors of tokens. */
export function gradientNodes(page, gradients) {
  const { lab } = page;
  const title = element("h3", {}, "Its gradient to the input");
  if (lab.gradients.length) {
    const nodes = lab.gradients.map((path, i) => tokensNode(page, path, gradients[i]));
    const text =
      "How much a small change of each token's vector would move it: the length of the gradient.";
    return [title, element("p", { class: "quiet" }, text), ...nodes];
  }
  const leaves = lab.input.leaves.filter(({ dtype }) => dtype === "float32");
  const text = leaves.every(isTable)
    ? "How much the number would grow with each column: the columns that matter most."
    : "Orange: more of it would make the number larger. Blue: smaller.";
  return [
    title,
    element("p", { class: "quiet" }, text),
    ...leaves.flatMap((leaf, i) => [
      leaves.length > 1 ? element("h4", {}, leaf.path) : "",
      leafNode(page, leaf, gradients[i]),
    ]),
  ];
}

/** Whether the gradient to an array is a table of its columns. */
function isTable({ shape, size }) {
  return shape.length === 1 && size <= 64;
}

/** The gradient to one array: a picture, or the columns that matter most. */
function leafNode(page, leaf, gradient) {
  if (isTable(leaf)) return columnsNode(page, gradient);
  const value = {
    ...inputValue(leaf),
    kind: { 2: "sequence", 3: "maps" }[leaf.shape.length] ?? "grid",
  };
  const canvas = element("canvas", { role: "img", "aria-label": "the gradient to the input" });
  const shape = layout({ ...value, follows: [] });
  draw(canvas, shape, gradient, { width: 270, scale: largest(gradient) });
  const isZero = gradient.every((x) => x === 0);
  const words = isZero ? "zero everywhere" : `largest ${short(largest(gradient))}`;
  return element("div", {}, canvas, element("p", { class: "quiet" }, words));
}

function columnsNode(page, gradient) {
  const { columns } = page.lab.input;
  const order = Array.from(gradient.keys());
  order.sort((a, b) => Math.abs(gradient[b]) - Math.abs(gradient[a]));
  const rows = order.slice(0, 8).map((i) => {
    const name = element("th", { scope: "row" }, columns[i] ?? `column ${i + 1}`);
    return element("tr", {}, name, element("td", {}, short(gradient[i])));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

/** Black or white, whichever is read more easily on a colour, by its relative luminance. */
function inkOn(colour) {
  const linear = colour.map((part) => (part / 255) ** 2.2);
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return light > 0.18 ? "#000" : "#fff";
}

/** Tokens, the more coloured the longer the gradient to their vectors is. */
function tokensNode(page, path, gradient) {
  const value = page.lab.values.find((other) => other.path === path);
  const reader = new Reader(value, gradient);
  const follows = value.follows[value.axes.indexOf("time")] ?? "";
  const tokens = page.tokensOf(follows);
  const lengths = tokens.map((_, time) => {
    let sum = 0;
    for (let unit = 0; unit < reader.size("unit"); unit++) sum += reader.get({ time, unit }) ** 2;
    return Math.sqrt(sum);
  });
  const most = largest(lengths);
  const chips = tokens.map((text, i) => {
    const colour = signedColour(lengths[i] / most, isDark());
    const style = `background:${css(colour)};color:${inkOn(colour)}`;
    return element("span", { class: "token", style, title: short(lengths[i]) }, text);
  });
  return element("p", { class: "tokens" }, ...chips);
}
