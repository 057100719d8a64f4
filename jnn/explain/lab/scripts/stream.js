// A model of texts read token by token: what it has read stays in its memory.

/**
 * The first token that is read of so many, of which it reads `length` at most: 0, or what leaves
 * room for half as many. It moves on by half of them, so that most tokens need one step.
 */
export function startOf(count, length) {
  const half = Math.ceil(length / 2);
  return half * Math.max(0, Math.ceil((count - length) / half));
}

/** The stream of a trained model, by the compiled modules `begin` and `step`. */
export class Stream {
  constructor(model, { begin, step }) {
    Object.assign(this, { model, begin, step });
    const { leaves, mask } = model.lab.input;
    this.arrays = mask ? leaves.length - 1 : leaves.length;
    this.place = leaves.findIndex(({ path }) => !path || path === "tokens");
    this.tokens = [];
  }

  /** The logits after the first `count` tokens of the input; what it has read is not read again. */
  logits(inputs, count) {
    const { params } = this.model;
    const factors = this.model.lab.steps.map((path) => this.model.factors.get(path));
    const tokens = inputs[this.place].subarray(0, count);
    const x = inputs.slice(0, this.arrays);
    const one = (token) => x.with(this.place, Int32Array.of(token));
    const context = [...one(0), ...factors].map(String).join(";");
    if (!this.hasRead(params, context, tokens)) {
      const carry = this.begin.call(...params, ...one(0));
      Object.assign(this, { params, context, carry, tokens: [], outputs: [] });
    }
    for (const token of tokens.slice(this.tokens.length)) {
      const results = this.step.call(...params, ...this.carry, ...one(token), ...factors);
      this.outputs = results.slice(0, results.length - this.carry.length);
      this.carry = results.slice(this.outputs.length);
      this.tokens.push(token);
    }
    return this.outputs[0];
  }

  /** Whether a step computes everything that is changed. */
  get isWhole() {
    const { lab } = this.model;
    return this.model.changes().every(({ path }) => lab.steps.includes(path));
  }

  /** Whether what it has read is how these tokens begin, beside the same other arrays. */
  hasRead(params, context, tokens) {
    const isSame = this.params === params && this.context === context;
    return isSame && this.tokens.every((token, i) => tokens[i] === token);
  }
}
