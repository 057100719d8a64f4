// The trained model of the page: its arguments, and what it computes.

import { fromBase64, product, zeros } from "./arrays.js";

/** The model: `run(inputs)` gives answers and captured values as typed arrays. */
export class TrainedModel {
  /** `lab` is the data of the page; jnn.web has compiled `program` and its gradient, if any. */
  constructor(lab, program, backward = null) {
    this.lab = lab;
    this.program = program;
    this.backward = backward;
    const sizes = [...lab.answers, ...lab.values].map(({ shape }) => product(shape));
    this.weights = sizes.map((size) => new Float32Array(size));
    this.kept = lab.params.map(({ dtype, data }) => fromBase64(dtype, data));
    this.params = this.kept;
    this.factors = new Map(lab.scaled.map(({ path, n }) => [path, new Float32Array(n).fill(1)]));
  }

  /** The answers and values for inputs, one typed array for each leaf, the mask included. */
  run(inputs) {
    const results = this.program.call(...this.params, ...inputs, ...this.factors.values());
    const answers = this.lab.answers.length;
    this.results = { answers: results.slice(0, answers), values: results.slice(answers) };
    return this.results;
  }

  /** The gradient of an element of a value to the input, an array for each of its leaves. */
  gradient(inputs, value, element) {
    const place = [...this.lab.answers, ...this.lab.values].indexOf(value);
    this.weights[place][element] = 1;
    const arrays = [...this.params, ...inputs, ...this.factors.values(), ...this.weights];
    const found = this.backward.call(...arrays);
    this.weights[place][element] = 0;
    return found;
  }

  /** The array of a captured value. */
  valueOf(value) {
    return this.results.values[this.lab.values.indexOf(value)];
  }

  /** Multiply a part of a value, in all that follows; parts of copies follow one another. */
  scale(path, part, factor) {
    this.factors.get(path)[part] = factor;
  }

  /** Undo all changes. */
  restore() {
    for (const factors of this.factors.values()) factors.fill(1);
  }

  /** What is changed: `{path, part, factor}`. */
  changes() {
    return [...this.factors].flatMap(([path, factors]) =>
      Array.from(factors, (factor, part) => ({ path, part, factor })).filter(
        ({ factor }) => factor !== 1,
      ),
    );
  }

  /** Take the params of a moment of the run; -1 for those that it kept. */
  at(moment) {
    this.params = moment < 0 ? this.kept : this.momentParams(moment);
  }

  momentParams(moment) {
    const all = fromBase64("float16", this.lab.moments[moment].data);
    let start = 0;
    return this.kept.map((array) => {
      if (!(array instanceof Float32Array)) return array;
      start += array.length;
      return all.slice(start - array.length, start);
    });
  }
}

/** The inputs of an example: an array for each leaf. */
export function inputsOf(lab, example) {
  return lab.input.leaves.map(({ dtype, size }, i) => {
    const data = example?.x?.[i];
    if (data === undefined || data === null) return zeros(dtype, size);
    if (!lab.input.pixels) return fromBase64(dtype, data);
    return Float32Array.from(fromBase64("uint8", data), (byte) => byte / 255);
  });
}
