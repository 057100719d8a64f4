// How a number was made: explanations are tried, and shown where they give the same numbers.
//
// The page knows no architecture. What a value can be made of is guessed from the names of its
// params and from the values before it, and a guess counts if it is right at many places.

import { isFloat, isHalf } from "./arrays.js";
import { aroundCopies } from "./copies.js";
import { formulaOf } from "./formula.js";
import { Params, startsOf } from "./params.js";
import { Computed, Reader, inputValue } from "./reader.js";
import { linear, linearOfUnseen, names, unembedded, uneven } from "./linear.js";
import { joined, sideBySide } from "./joined.js";
import { cells } from "./recurrent.js";
import { dots, modulations } from "./products.js";
import { rearranged, reversed } from "./rearranged.js";
import { positions, times } from "./positions.js";
import { attention } from "./softmax.js";
import {
  activations,
  embeddings,
  ends,
  flattened,
  meansOfCopies,
  norms,
  pools,
  spread,
  sums,
} from "./steps.js";

const LAYERS = [embeddings, linear, cells, attention, positions, times, modulations, norms, ends];
const OTHERS = [
  pools,
  flattened,
  spread,
  activations,
  rearranged,
  reversed,
  joined,
  sideBySide,
  sums,
  meansOfCopies,
  dots,
  unembedded,
  linearOfUnseen,
  uneven,
];
const RULES = [...LAYERS, ...OTHERS];
const CHECKED = 12;
const TOLERANCE = 1e-3;
const TOLERANCE_OF_HALVES = 2e-2; // bfloat16 has 8 bits, and what is added up was rounded too
const ROUNDING = 1e-6; // of sums of float32: what is nearer is not more right
const MOST_TRIES = 4000;

/** Explanations of the values of a page, found once for each value. */
export class Making {
  constructor(page) {
    this.page = page;
    this.found = new Map();
    const inHalves = page.lab.values.some(({ dtype }) => isHalf(dtype));
    this.tolerance = inHalves ? TOLERANCE_OF_HALVES : TOLERANCE;
  }

  /** What the rules may look at, for a value of the page. */
  context(value) {
    const { lab, model, inputs } = this.page;
    const { values } = lab;
    const readers = values.map((other, i) => new Reader(other, model.results.values[i]));
    const at = values.indexOf(value);
    const answer = lab.answers.indexOf(value);
    const own = at < 0 ? new Reader(value, model.results.answers[answer]) : readers[at];
    const { parent, again } = names(value.path);
    const sibling = (name) =>
      readers.find(({ path }) => path === `${parent}${name}${again}`) ?? null;
    const sources = lab.input.leaves.map((leaf, i) => new Reader(inputValue(leaf), inputs[i]));
    const earlier = [...readers.slice(0, at < 0 ? readers.length : at), ...sources].toReversed();
    return {
      reader: own,
      readers,
      earlier: [
        ...attended(sibling),
        ...aroundCopies(lab.walk, readers, at < 0 ? readers.length : at, sources),
        ...earlier.filter((reader) => isFloat(reader.value.dtype)),
      ],
      sources,
      tokens: inputs.filter((_, i) => lab.input.leaves[i].dtype === "int32"),
      sibling,
      length: (source) => realSize(source, "time", this.page.real),
    };
  }

  /** The explanation of a value, right at a `located` place too, by the numbers of now; else null. */
  of(value, at = null) {
    const context = this.context(value);
    const { reader } = context;
    if (this.isChanged(value)) return null;
    const { lab, model } = this.page;
    const orders = reader.stacked.length > 1 ? [false, true] : [false];
    const params = startsOf(lab, names(value.path).parent).flatMap((start) =>
      orders.map((isReversed) => new Params(lab, model.params, reader, { isReversed, start })),
    );
    const known = this.found.get(value);
    for (const rule of known ? [known] : RULES) {
      for (const own of params) {
        const explanation = this.best(rule, { ...context, params: own }, at);
        if (!explanation) continue;
        this.found.set(value, rule);
        return explanation;
      }
    }
    return null;
  }

  /** What the equations of the model say of a value, where no explanation is right; else null. */
  formula(value) {
    if (this.isChanged(value) || !isFloat(value.dtype)) return null;
    const { reader, readers } = this.context(value);
    return formulaOf(reader, readers, this.page.lab.params);
  }

  /** Whether a captured value is not what the model makes it. */
  isChanged(value) {
    const isCaptured = this.page.lab.values.includes(value);
    return isCaptured && this.page.model.changes().some(({ path }) => path === value.path);
  }

  /** Why there is no explanation of a value, in a sentence. */
  missing(value) {
    if (this.isChanged(value)) {
      return "This value is changed, so that it is not what its layer makes of what enters it.";
    }
    if (!isFloat(value.dtype)) {
      return "This is no number that a layer computes: it is a token, a place or a yes or no.";
    }
    return "The model computes this number in more operations than a formula can show.";
  }

  /** The explanation of a rule that is right, of several functions the nearest one; else null. */
  best(rule, context, at) {
    const { reader } = context;
    let tries = 0;
    let best = { error: Infinity, explanation: null };
    for (const explanation of rule(reader, context)) {
      if (tries++ > MOST_TRIES) break;
      const error = errorOf(explanation, reader, at, this.page.real, this.tolerance);
      if (error < best.error) best = { error, explanation };
      if (best.explanation && best.explanation.kind !== "function") break;
    }
    return best.explanation;
  }
}

/** What heads attend to, Σ weight · value, which is not captured itself. */
function attended(sibling) {
  const [weights, values] = [sibling("weights"), sibling("value")];
  if (!weights?.size("head") || !values?.size("head")) return [];
  const share = Math.max(1, Math.round(weights.size("head") / values.size("head")));
  const keys = weights.size("key");
  const at = ({ time, head, unit, stack }) => {
    let sum = 0;
    for (let key = 0; key < keys; key++) {
      const v = values.get({ time: key, head: Math.floor(head / share), unit, stack });
      sum += weights.get({ head, query: time, key, stack }) * v;
    }
    return sum;
  };
  const shape = [
    ...weights.stacked.map(({ n }) => n),
    weights.size("query"),
    weights.size("head"),
    values.size("unit"),
  ];
  const axes = [...weights.stacked.map(() => "stack"), "time", "head", "unit"];
  return [new Computed({ path: "weights · value", shape, axes, dtype: "float32" }, at)];
}

/** How many elements an axis has that are real, where the input is padded. */
function realSize(reader, name, real = {}) {
  const { axes, follows = [] } = reader.value;
  const n = reader.size(name);
  const isTime = name === "time" || name === "query" || name === "key";
  return isTime ? Math.min(n, real[follows[axes.indexOf(name)]] ?? n) : n;
}

/** Places all over a value, where it is real. */
function checkedPlaces(reader, real) {
  const checked = Math.min(CHECKED, reader.count);
  return Array.from({ length: checked }, (_, i) => {
    const place = reader.placeOf(Math.floor(((i + 0.37) * reader.count) / checked));
    for (const { name, n } of reader.own) {
      place[name] = Math.floor((place[name] * realSize(reader, name, real)) / n);
    }
    return { ...place, stack: i % reader.stacks };
  });
}

/**
 * How far an explanation is from the numbers of a value, at places all over it; Infinity where it
 * is wrong. Of several functions the nearest one counts: tanh of small numbers is almost these.
 */
function errorOf(explanation, reader, chosen, real, tolerance) {
  const { isFor } = explanation;
  const places = checkedPlaces(reader, real).filter((place) => !isFor || isFor(place));
  if (chosen) places.push(chosen);
  if (!places.length) return Infinity;
  const scale = Math.max(...places.map((place) => Math.abs(reader.get(place))));
  const limit = tolerance * Math.max(scale, 1e-6);
  let error = 0;
  for (const place of places) {
    error = Math.max(error, Math.abs(explanation.number(place) - reader.get(place)));
    if (!(error <= limit)) return Infinity;
  }
  return error <= ROUNDING * scale ? 0 : error;
}
