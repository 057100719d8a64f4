// How a number was made, in numbers and pictures.

import { breakable, element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { largest } from "./arrays.js";
import { draw } from "./picture.js";

const TERMS = 8;

/**
 * The nodes that show an explanation at a place, or say why it is `missing`; `go(path, place)`
 * selects another number.
 */
export function shown(explanation, missing, at, go) {
  const title = element("h3", {}, "How this number is made");
  if (!explanation) return [title, element("p", { class: "quiet" }, missing)];
  const lines = explanation.lines ?? [explanation.text];
  const formulas = lines.map((line) => element("p", { class: "formula" }, line));
  const { kind } = explanation;
  const rest = kind === "sum" ? sumNodes(explanation, at, go) : partNodes(explanation, at, go);
  return [title, ...formulas, ...rest];
}

/** The largest terms of a weighted sum, the rest, the bias and what they add up to. */
function sumNodes(explanation, at, go) {
  const terms = explanation.terms(at);
  const order = terms.toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const rest = order.slice(TERMS).reduce((sum, { value, weight }) => sum + value * weight, 0);
  const rows = order.slice(0, TERMS).map((term) => {
    const { source, place, value, weight } = term;
    const name = nameOf(source, place);
    const text = `${short(value)} × ${short(weight)} = ${short(value * weight)}`;
    return row(name, text, link(source, place, go));
  });
  if (order.length > TERMS) rows.push(row(`${order.length - TERMS} more terms`, short(rest)));
  rows.push(row("bias", short(explanation.bias(at))));
  const total = terms.reduce(
    (sum, { value, weight }) => sum + value * weight,
    explanation.bias(at),
  );
  rows.push(row("sum", short(total, 5)));
  if (explanation.name) rows.push(row(explanation.name, short(explanation.f(total), 5)));
  const note = "The largest of its terms, a value times its weight:";
  return [...windowNodes(terms), element("p", { class: "quiet" }, note), table(rows)];
}

function sizeOf({ value, weight }) {
  return Math.abs(value * weight);
}

/** The numbers that a number is made of. */
function partNodes(explanation, at, go) {
  const parts = explanation.parts(at);
  const rows = parts.slice(0, 2 * TERMS).map(({ name, source, place, value, text }) => {
    const where = name === "x" && source ? `x = ${nameOf(source, place)}` : name;
    return row(where, text ?? short(value, 5), source && link(source, place, go));
  });
  rows.push(row("this number", short(explanation.number(at), 5)));
  const { note } = explanation;
  return note ? [element("p", { class: "quiet" }, note), table(rows)] : [table(rows)];
}

/** Of a convolution of a picture the window, the kernel and their product, channel by channel. */
function windowNodes(terms) {
  const [first] = terms;
  if (!first || first.place.row === undefined) return [];
  const rows = new Set(terms.map(({ place }) => place.row)).size;
  const columns = new Set(terms.map(({ place }) => place.column)).size;
  const channels = terms.length / (rows * columns);
  if (rows * columns < 2 || !Number.isInteger(channels)) return [];
  const weightOf = (channel) => {
    const own = terms.filter((_, i) => i % channels === channel);
    return Math.abs(own.reduce((sum, { value, weight }) => sum + value * weight, 0));
  };
  const order = Array.from({ length: channels }, (_, channel) => channel);
  order.sort((a, b) => weightOf(b) - weightOf(a));
  const tiles = Math.min(channels, 12);
  const at = (tile, r, c) => (r * columns + c) * channels + order[tile];
  const shape = { bars: false, tiles, rows, columns, at };
  const pictures = [
    [
      channels > tiles ? `window, of the ${tiles} channels that matter most` : "window",
      terms.map(({ value }) => value),
    ],
    ["× kernel", terms.map(({ weight }) => weight)],
    ["= products", terms.map(({ value, weight }) => value * weight)],
  ];
  return pictures.map(([name, numbers]) => {
    const canvas = element("canvas", { role: "img", "aria-label": name });
    draw(canvas, shape, numbers, { width: 270, tallest: 60, scale: largest(numbers) });
    return element("div", { class: "window" }, element("span", { class: "quiet" }, name), canvas);
  });
}

/** What selects an element of a captured value; null where there is none. */
function link(source, place, go) {
  const origin = source.origin(place);
  return origin && (() => go(origin.path, origin.place));
}

/** The name of a value without what all have, and a place in it. */
function nameOf(source, place) {
  return `${source.path.replace(/\/output$/, "")} ${placeText(source, place)}`.trim();
}

function placeText(source, place) {
  return source.own
    .map(({ name }) => `${name === "unit" ? "" : `${name} `}${place[name]}`)
    .join(", ");
}

function row(name, text, onclick) {
  const words = breakable(name);
  const attributes = { type: "button", class: "link", onclick };
  const head = onclick ? [element("button", attributes, ...words)] : words;
  return element("tr", {}, element("th", { scope: "row" }, ...head), element("td", {}, text));
}

function table(rows) {
  return element("table", {}, element("tbody", {}, ...rows));
}
