// Weighted sums: what a dense layer, a convolution or a gate adds up for one number.

import { product } from "./arrays.js";
import { FUNCTIONS } from "./functions.js";
import { hasBefore } from "./made.js";
import { pictures } from "./pictures.js";
import { masked } from "./reader.js";
import { unseen } from "./unseen.js";
import { windows } from "./windows.js";

const NONLINEAR = [["", (x) => x], ...["sigmoid", "tanh", "relu"].map((f) => [f, FUNCTIONS[f]])];

/** The kernels that can belong to a value: `{shape, data}` for each number of its axes. */
function kernelsOf(reader, params) {
  const { path, parent } = names(reader.path);
  const stacked = reader.stacked.length;
  const found = [];
  for (const start of [path, parent]) {
    for (let stack = stacked; stack >= 0; stack--) {
      const own = params.rank(`${start}kernel`) - stack;
      const direction = params.rank(`${start}kernel/direction`) - stack;
      if (own >= 2) found.push({ start, kernel: (s) => params.get(`${start}kernel`, own, s) });
      if (direction >= 2) {
        found.push({ start, kernel: (s) => normalized(params, start, direction, s) });
      }
    }
  }
  return found;
}

/** The kernel of a weight normalization: magnitude times direction of length 1. */
function normalized(params, start, rank, stack) {
  const { shape, data } = params.get(`${start}kernel/direction`, rank, stack);
  const magnitude = params.get(`${start}kernel/magnitude`, 1, stack).data;
  const outputs = shape.at(-1);
  const squares = new Float64Array(outputs);
  data.forEach((w, i) => (squares[i % outputs] += w * w));
  const scaled = data.map((w, i) => (w * magnitude[i % outputs]) / Math.sqrt(squares[i % outputs]));
  return { shape, data: scaled };
}

/**
 * The path of a value, and of what it is the output of, each with a slash at its end; its name, and
 * what says that its layer is applied `again`, as "#2".
 */
export function names(path) {
  const [, own, again] = path.match(/^(.*?)(#\d+)?$/s);
  const parts = own.split("/");
  const parent = parts.slice(0, -1).join("/");
  return {
    path: `${own}/`,
    parent: parent ? `${parent}/` : "",
    name: parts.at(-1),
    again: again ?? "",
  };
}

/** The unit of a place among all that a kernel has: those of all heads follow one another. */
function unitOf(reader, place) {
  return (place.head ?? 0) * reader.size("unit") + (place.unit ?? place.axis ?? 0);
}

/** The places of a source that a number is the weighted sum of, with the number of the weight. */
function* connections(reader, source, shape, { length, isSame }) {
  const [inputs] = shape.slice(-2);
  const units = Array.from({ length: inputs }, (_, i) => i);
  if (shape.length === 2) {
    const along = source.own.filter(({ name }) => name !== "unit" && name !== "head");
    const isAlong =
      along.every(({ name }) => reader.size(name)) &&
      source.count === inputs * product(along.map(({ n }) => n));
    if (!isAlong && source.count !== inputs) return;
    const place = (i, at) => (isAlong ? placeOfUnit(source, i, at) : source.placeOf(i));
    const ofUnits = (at) => units.map((i) => ({ i, place: place(i, at) }));
    yield ofUnits;
    const isBackward = isAlong && reader.path.split("/").includes("backward");
    if (isBackward) yield (at) => ofUnits({ ...at, time: length(source) - 1 - at.time });
    return;
  }
  const axes = shape.length === 3 ? ["time"] : ["row", "column"];
  if (axes.some((axis) => !source.size(axis) || !reader.size(axis))) return;
  const groups = source.size("unit") / inputs;
  if (!Number.isInteger(groups) || source.own.length !== axes.length + 1) return;
  const sizes = [source, reader].map((value) => axes.map((axis) => value.size(axis)));
  for (const window of windows(shape.slice(0, -2), ...sizes, isSame)) {
    yield (at) => {
      const group = Math.floor(((at.unit ?? 0) * groups) / shape.at(-1));
      return readBy(window, axes, shape, at).flatMap(({ i, place }) => {
        const unit = group * inputs;
        return units.map((n) => ({ i: i * inputs + n, place: { ...place, unit: unit + n } }));
      });
    };
  }
}

/** The places that a window reads for a number, with the number of each in the window. */
function readBy(window, axes, shape, at) {
  let found = [{ i: 0, place: {} }];
  axes.forEach((axis, n) => {
    const read = Array.from({ length: shape[n] }, (_, k) => [k, window[n].at(at[axis], k)]);
    const some = read.filter(([, there]) => there !== null);
    found = found.flatMap(({ i, place }) =>
      some.map(([k, there]) => ({ i: i * shape[n] + k, place: { ...place, [axis]: there } })),
    );
  });
  return found;
}

function placeOfUnit(source, i, at) {
  const units = source.size("unit");
  return source.size("head")
    ? { ...at, head: Math.floor(i / units), unit: i % units }
    : { ...at, unit: i };
}

/**
 * The explanations of a value as a weighted sum that can be tried, see `making.js`; windows are the
 * same along all axes.
 */
export function* linear(reader, context) {
  for (const found of kernelsOf(reader, context.params)) {
    yield* sumsOf(reader, found, context.earlier, { ...context, isSame: true });
  }
}

/** Σ x e + b, the product with each row of a table of embeddings, which is read a second time. */
export function* unembedded(reader, context) {
  const { params, earlier } = context;
  const units = reader.size("unit");
  for (const { path, shape, data } of params.tables("embedding")) {
    const [rows, columns] = shape;
    if (rows !== units) continue;
    const turned = new Float32Array(rows * columns);
    data.forEach((x, i) => (turned[(i % columns) * rows + Math.floor(i / columns)] = x));
    const kernel = () => ({ shape: [columns, rows], data: turned });
    const sources = earlier.filter((source) => source.size("unit") === columns);
    const start = path.slice(params.start.length).replace(/embedding$/, "");
    yield* sumsOf(reader, { start, kernel }, sources, { ...context, isSame: true });
  }
}

/** The same of what was not captured, but may be made of values that were. */
export function* linearOfUnseen(reader, context) {
  const few = { ...context, isSame: true };
  for (const found of kernelsOf(reader, context.params)) {
    const [inputs] = found.kernel(0).shape.slice(-2);
    if (reader.size("row")) yield* sumsOf(reader, found, pictures(inputs, context), few);
    yield* sumsOf(reader, found, unseen(inputs, context), few);
  }
}

/** Convolutions of pictures whose windows are not the same along both axes. */
export function* uneven(reader, context) {
  for (const found of kernelsOf(reader, context.params)) {
    const { shape } = found.kernel(0);
    if (shape.length !== 4) continue;
    yield* sumsOf(reader, found, context.earlier, context);
    yield* sumsOf(reader, found, unseen(shape.at(-2), context), context);
  }
}

/** Sources, and those of them that are padded without what is not real. */
function* readings(sources, length) {
  for (const source of sources) {
    yield source;
    if (length(source) < source.size("time")) yield masked(source, length(source));
  }
}

/** The sums of one kernel with each of some sources. */
function* sumsOf(reader, { start, kernel }, sources, context) {
  const { params, sibling, length } = context;
  const { shape } = kernel(0);
  const units =
    Math.max(1, reader.size("head")) * (reader.size("unit") || reader.size("axis") || 1);
  const blocks = shape.at(-1) / units;
  if (!Number.isInteger(blocks) || blocks > 4) return;
  const recurrent = params.rank(`${start}recurrent_kernel`) ? sibling("hidden") : null;
  const reset = recurrent && names(reader.path).name === "candidate" && sibling("reset_gate");
  const gated = reset ? ["after", "before"] : [""];
  for (const source of readings(sources, length)) {
    for (const connected of connections(reader, source, shape, context)) {
      for (let block = 0; block < blocks; block++) {
        for (const [name, f] of NONLINEAR.slice(0, recurrent ? 4 : blocks > 1 ? 3 : 1)) {
          const of = { reader, source, kernel, connected, block, units, name, f, params, start };
          for (const when of gated) yield sum({ ...of, recurrent, reset, when });
        }
      }
    }
  }
}

/**
 * One weighted sum, of the terms and the bias, inside of a function. The memory of a GRU counts as
 * much as its reset gate says, `when` the sum of it is known or before: its weights are so scaled.
 */
function sum({
  reader,
  source,
  kernel,
  connected,
  block,
  units,
  name,
  f,
  params,
  start,
  recurrent,
  reset,
  when,
}) {
  const terms = (at) => {
    const stack = at.stack ?? 0;
    const { shape, data } = kernel(stack);
    const column = block * units + unitOf(reader, at);
    const found = connected(at).map(({ i, place }) => {
      const full = { ...place, stack };
      return {
        source,
        place: full,
        value: source.get(full),
        weight: data[i * shape.at(-1) + column],
      };
    });
    if (!recurrent) return found;
    const U = params.get(`${start}recurrent_kernel`, 2, stack);
    for (let i = 0; i < U.shape[0]; i++) {
      const place = { time: at.time - 1, unit: i, stack };
      const r = when ? reset.get(when === "after" ? at : { ...at, unit: i }) : 1;
      const weight = r * U.data[i * U.shape[1] + column];
      found.push({ source: recurrent, place, value: recurrent.get(place), weight });
    }
    return found;
  };
  const biasOf = (leaf, at) => {
    const b = params.get(`${start}${leaf}`, 1, at.stack ?? 0);
    return b ? b.data[(leaf === "bias" ? block * units : 0) + unitOf(reader, at)] : 0;
  };
  const bias = (at) =>
    biasOf("bias", at) + (when === "after" ? reset.get(at) * biasOf("recurrent_bias", at) : 0);
  const number = (at) =>
    f(terms(at).reduce((s, { value, weight }) => s + value * weight, bias(at)));
  const note = params.note(`${params.start}${start}kernel`, "w");
  const ofMemory = { after: "r (Σ u h + d)", before: "Σ u r h" }[when] ?? "Σ u h";
  const inside = recurrent ? `Σ w x + ${ofMemory} + b` : "Σ w x + b";
  const text = (name ? `${name}(${inside})` : inside) + note;
  return { kind: "sum", text, name, f, number, terms, bias, isFor: recurrent && hasBefore };
}
