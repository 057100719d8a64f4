// What layers without a kernel compute for one number: activations, norms, pools.

import { FUNCTIONS } from "./functions.js";
import { moments, ofGroups } from "./groups.js";
import { names } from "./linear.js";
import { made, part, taken } from "./made.js";
import { Computed, elsewhere } from "./reader.js";

const SUMMED = 7; // so many of the nearest values may be added up
const RESHAPED = 3;
const EPSILONS = [1e-5, 1e-6, 1e-3, 1e-12];

/** A function of the number at the same place of an earlier value. */
export function* activations(reader, { earlier }) {
  for (const source of earlier.filter((other) => other.isLike(reader))) {
    const parts = (at) => [part(source, at, "x")];
    yield made("function", "the same number", (at) => source.get(at), parts);
    for (const [name, f] of Object.entries(FUNCTIONS)) {
      yield made("function", `${name}(x)`, (at) => f(source.get(at)), parts);
    }
    const size = (at) => Math.sqrt(unitsOf(source, at).reduce((sum, x) => sum + x * x, 0));
    const scaled = (at) => source.get(at) / size(at);
    if (source.size("unit")) yield made("function", "x / √Σ x²", scaled, parts);
  }
}

/** The elements of an earlier value in another shape. */
export function* flattened(reader, { earlier }) {
  for (const source of earlier) {
    if (source.count !== reader.count || source.isLike(reader)) continue;
    const place = (at) => ({ ...source.placeOf(reader.numberOf(at)), stack: at.stack });
    const text = `the same number, in ${reader.own.length === 1 ? "a row" : "another shape"}`;
    yield taken("function", text, (at) => [source, place(at)], "x");
  }
}

/** The elements of a vector at each step of a sequence. */
export function* spread(reader, { earlier }) {
  const units = reader.size("unit");
  if (!units || !reader.size("time") || reader.own.length !== 2) return;
  for (const source of earlier) {
    if (source.own.length !== 1 || source.size("unit") !== units) continue;
    const from = ({ unit, stack }) => [source, { unit, stack }];
    yield taken("function", "the same number at each step", from, "x");
  }
}

/** The mean of the copies of an earlier value, such as the members of an ensemble. */
export function* meansOfCopies(reader, { earlier }) {
  const isAlike = (other) => other.isLike(reader) || (other.count === 1 && reader.count === 1);
  const stacked = earlier.filter((other) => other.stacked.length && isAlike(other));
  for (const source of reader.stacks === 1 ? stacked : []) {
    const places = (at) => Array.from({ length: source.stacks }, (_, stack) => ({ ...at, stack }));
    const mean = (at) => places(at).reduce((s, x) => s + source.get(x), 0) / source.stacks;
    const parts = (at) =>
      places(at).map((place) => part(source, place, `x of copy ${place.stack + 1}`));
    yield made("mean", "the mean of all copies", mean, parts);
  }
}

/** The elements of a value in the shape of another, which was not captured. */
function inShapeOf(reader, source) {
  const place = (at) => ({ ...source.placeOf(reader.numberOf(at)), stack: at.stack });
  return elsewhere({ ...reader.value, path: source.path }, (at) => [source, place(at)]);
}

/** The element of a sequence at its end or its beginning. */
export function* ends(reader, { earlier, length }) {
  for (const source of earlier) {
    const steps = source.size("time");
    const units = reader.size("unit") || reader.size("axis");
    if (!steps || reader.own.length !== 1 || source.own.length !== 2) continue;
    if (source.size("unit") !== units) continue;
    for (const [name, time] of Object.entries({ last: length(source) - 1, first: 0 })) {
      const place = (at) => ({ time, unit: at.unit ?? at.axis, stack: at.stack });
      yield taken("function", `the ${name} step`, (at) => [source, place(at)], "x");
    }
  }
}

/** The largest or the mean of a window, of a whole picture or of a whole sequence. */
export function* pools(reader, { earlier, length }) {
  for (const source of earlier) {
    const axes = ["row", "column", "time"].filter((axis) => source.size(axis));
    const units = reader.size("unit") || reader.size("axis");
    const steps = axes.map((axis) => source.size(axis) / Math.max(1, reader.size(axis)));
    if (source.size("unit") !== units || steps.every((step) => step === 1)) continue;
    const real = (axis) => (axis === "time" ? length(source) : source.size(axis));
    for (const windows of poolWindows(steps)) {
      const places = (at) =>
        windowPlaces({ unit: at.unit ?? at.axis, stack: at.stack }, at, axes, windows).filter(
          (place) => axes.every((axis) => place[axis] >= 0 && place[axis] < real(axis)),
        );
      const values = (at) => places(at).map((place) => source.get(place));
      const parts = (at) => places(at).map((place) => part(source, place, "x"));
      yield made("window", "the largest of a window", (at) => Math.max(...values(at)), parts);
      const mean = (at) => values(at).reduce((a, b) => a + b, 0) / values(at).length;
      yield made("window", "the mean of a window", mean, parts);
    }
  }
}

/** A window along one axis. */
const along = (size, stride, padding) => ({ size, stride, padding });

/**
 * Windows to try where they begin so many steps apart: side by side, as many as fit or as begin,
 * and those of the usual sizes, overlapping, whose padding is even or at the end.
 */
function poolWindows(steps) {
  const found = [Math.floor, Math.round, Math.ceil].map((whole) =>
    steps.map((step) => along(whole(step), whole(step), 0)),
  );
  for (const [size, stride] of [
    [2, 2],
    [3, 3],
    [3, 2],
    [2, 1],
    [3, 1],
  ]) {
    for (const padding of [0, Math.floor(size / 2)]) {
      found.push(steps.map(() => along(size, stride, padding)));
    }
  }
  return found;
}

/** The places of a window, of a size, a stride and a padding in front along each axis. */
function windowPlaces(first, at, axes, windows) {
  let found = [first];
  axes.forEach((axis, i) => {
    const { size, stride, padding } = windows[i];
    const start = (at[axis] ?? 0) * stride - padding;
    const numbers = Array.from({ length: size }, (_, k) => start + k);
    found = found.flatMap((place) => numbers.map((k) => Object.assign({ [axis]: k }, place)));
  });
  return found;
}

/** (x - mean) / deviation · scale + bias, with the moments of the training, of units or of groups. */
export function* norms(reader, { earlier, params }) {
  const { parent } = names(reader.path);
  const param = (name, at) => params.get(`${parent}${name}`, 1, at.stack ?? 0)?.data[at.unit ?? 0];
  if (!params.rank(`${parent}scale`) && !parent.includes("norm")) return;
  const like = earlier.filter((other) => other.isLike(reader));
  const others = earlier.filter((other) => other.count === reader.count && !like.includes(other));
  const reshaped = others.slice(0, RESHAPED).map((source) => inShapeOf(reader, source));
  for (const source of [...like, ...reshaped, ...groupsOf(like.slice(0, SUMMED)).map(summed)]) {
    const choices = [ofTraining, ofUnits, ofSquares, ...ofGroups(source)];
    for (const epsilon of EPSILONS) {
      for (const momentsAt of choices) {
        const all = (at) => {
          const [mean, variance] = momentsAt(source, at, param);
          const deviation = Math.sqrt(variance + epsilon);
          return { mean, deviation, scale: param("scale", at) ?? 1, bias: param("bias", at) ?? 0 };
        };
        const number = (at) => {
          const { mean, deviation, scale, bias } = all(at);
          return ((source.get(at) - mean) / deviation) * scale + bias;
        };
        yield made("norm", "(x − mean) / deviation · scale + bias", number, (at) => [
          ...(source.terms ?? []).map((term) => part(term, at)),
          part(source, at, "x"),
          ...Object.entries(all(at)).map(([name, value]) => ({ name, value })),
        ]);
      }
    }
  }
}

const ofTraining = (source, at, param) => [param("mean", at) ?? NaN, param("variance", at) ?? NaN];

function unitsOf(source, at) {
  return Array.from({ length: source.size("unit") }, (_, unit) => source.get({ ...at, unit }));
}

function ofUnits(source, at) {
  return moments(unitsOf(source, at));
}

function ofSquares(source, at) {
  const x = unitsOf(source, at);
  return [0, x.reduce((sum, v) => sum + v * v, 0) / x.length];
}

/** A row of the table of an embedding, which may be shared, and so have another path. */
export function* embeddings(reader, { tokens, params }) {
  for (const { path, shape, data } of params.tables("embedding")) {
    const D = shape[1];
    const steps = reader.size("time");
    if (reader.own.length > 2 || reader.size("unit") !== D) continue;
    for (const ids of tokens.filter((other) => other.length === (steps || 1))) {
      for (const factor of [1, Math.sqrt(D)]) {
        const token = (at) => ids[at.time ?? 0];
        const number = (at) => factor * data[token(at) * D + at.unit];
        const row = `the token's row of the table${params.note(path, "which is")}`;
        const text = factor === 1 ? row : `√D times ${row}`;
        yield made("row", text, number, (at) => [{ name: "token", value: token(at) }]);
      }
    }
  }
}

function couplesOf(values) {
  return values.flatMap((a, i) => values.slice(i + 1).map((b) => [a, b]));
}

/** All pairs of values, then all triples. */
function groupsOf(values) {
  const pairs = couplesOf(values);
  const after = (value) => values.slice(values.indexOf(value) + 1);
  return [...pairs, ...pairs.flatMap(([a, b]) => after(b).map((c) => [a, b, c]))];
}

/** The sum of values, which was not captured, and its terms. */
function summed(terms) {
  const at = (place) => terms.reduce((sum, term) => sum + term.get(place), 0);
  return Object.assign(new Computed({ ...terms[0].value, path: "their sum" }, at), { terms });
}

/** The sum or the product of two or three earlier values, as in a residual connection. */
export function* sums(reader, { earlier }) {
  const like = earlier.filter((other) => other.isLike(reader)).slice(0, 10);
  for (const group of groupsOf(like)) {
    const parts = (at) => group.map((source) => part(source, at));
    const text = group.map((_, i) => "abc"[i]).join(" + ");
    yield made("residual", text, (at) => group.reduce((s, source) => s + source.get(at), 0), parts);
  }
  for (const [a, b] of couplesOf(like)) {
    const parts = (at) => [part(a, at), part(b, at)];
    yield made("product", "a b", (at) => a.get(at) * b.get(at), parts);
    yield made("function", "relu(a + b)", (at) => Math.max(0, a.get(at) + b.get(at)), parts);
  }
}
