// The trained model of the page: its arguments, and what it computes.

import { fromBase64, zeros } from "./arrays.js";

/** The model: `run(inputs)` gives answers and captured values as typed arrays. */
export class TrainedModel {
  /** `lab` is the data of the page, `program` what jnn.web has compiled. */
  constructor(lab, program) {
    this.lab = lab;
    this.program = program;
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

  /** The array of a captured value. */
  value(path) {
    return this.results.values[this.lab.values.findIndex((value) => value.path === path)];
  }

  /** Multiply a part of a value, in all that follows. */
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
