// Params and state as layers read them: of one stack, and divided where a norm of weights says so.

import { product } from "./arrays.js";
import { unravel } from "./layout.js";

const VECTORS = /^state\/(.*\b)?vectors\/(.*)\/left$/;

/** Params and state by their paths; of stacked ones the part of one stack of a value. */
export class Params {
  /**
   * Of a value with several axes of stacks the params may have them the other way round, and their
   * paths may begin with more than that of the value: see `startsOf`.
   */
  constructor(lab, arrays, reader = null, { isReversed = false, start = "" } = {}) {
    const sizes = reader ? reader.stacked.map(({ n }) => n) : [];
    this.indexOf = (stack) =>
      isReversed ? unravel(stack, sizes).toReversed() : unravel(stack, sizes);
    this.sizes = isReversed ? sizes.toReversed() : sizes;
    this.start = start;
    this.all = new Map(lab.params.map(({ path, shape }, i) => [path, { shape, data: arrays[i] }]));
    this.spectral = spectralNorms(lab);
    this.divided = new Map();
  }

  /** Params, or state, by the path of a layer; null where there is none. */
  find(path) {
    const full = `${this.start}${path}`;
    if (this.all.has(`params/${full}`)) return this.whole(full);
    const inner = this.spectral.starts.find((start) => full.startsWith(start));
    const inside = inner === undefined ? full : `${inner}model/${full.slice(inner.length)}`;
    return this.all.get(`state/${full}`) ?? this.all.get(`state/${inside}`) ?? null;
  }

  /** Params by their full path, divided by their largest singular value where the model does so. */
  whole(path) {
    const own = this.all.get(`params/${path}`);
    const vectors = this.spectral.vectors.get(path);
    if (!vectors) return own;
    if (!this.divided.has(path)) {
      const [left, right] = ["left", "right"].map((name) => this.all.get(`${vectors}${name}`));
      this.divided.set(path, { shape: own.shape, data: divided(own, left, right) });
    }
    return this.divided.get(path);
  }

  /** What an explanation says of params by their full path, if they are divided; else "". */
  note(path, name) {
    const text = `, ${name} divided by its largest singular value`;
    return this.spectral.vectors.has(path) ? text : "";
  }

  /** `{shape, data}` of one stack, of as many axes as `rank`; null where there is none. */
  get(path, rank, stack = 0) {
    const found = this.find(path);
    if (!found || found.shape.length < rank) return null;
    const extra = found.shape.length - rank;
    const [own, shape] = [found.shape.slice(0, extra), found.shape.slice(extra)];
    const index = this.indexOf(stack).slice(0, extra); // the last axes are those of sequences
    const isOfMembers = own.every((n, axis) => n === this.sizes[axis]);
    const number = isOfMembers ? index.reduce((sum, i, axis) => sum * own[axis] + i, 0) : stack;
    const size = product(shape);
    const start = size * (number % product(own));
    return { shape, data: found.data.subarray(start, start + size) };
  }

  /** The matrices whose paths end in a name, each with its path. */
  tables(name) {
    const paths = [...this.all.keys()].filter((path) => path.endsWith(`/${name}`));
    const found = paths.map((path) => {
      const own = path.replace(/^\w+\//, "");
      const { shape, data } = path.startsWith("params/") ? this.whole(own) : this.all.get(path);
      return { path: own, shape, data };
    });
    return found.filter(({ shape }) => shape.length === 2);
  }

  /** How many axes it has, of which the first may be those of stacks. */
  rank(path) {
    return this.find(path)?.shape.length ?? 0;
  }
}

/**
 * What the paths of params may begin with, before that of a layer, whose path ends with a slash. A
 * model may apply a part of its own to params that it takes out itself, so that no name says which.
 */
export function startsOf(lab, path) {
  const paths = lab.params.map((own) => own.path.replace(/^(params|state)\//, ""));
  if (paths.some((own) => own.startsWith(path))) return [""];
  const ends = paths.map((own) => own.lastIndexOf(`/${path}`) + 1);
  const starts = new Set(paths.map((own, i) => own.slice(0, ends[i])).filter(Boolean));
  return starts.size ? [...starts] : [""];
}

/** The singular vectors in the state by the paths of params, and where the models with them are. */
function spectralNorms(lab) {
  const found = lab.params.map(({ path }) => path.match(VECTORS)).filter(Boolean);
  const vectors = found.map(([path, start = "", own]) => [start + own, path.slice(0, -4)]);
  const starts = new Set(found.map(([, start = ""]) => start));
  return { vectors: new Map(vectors), starts: [...starts] };
}

/** Matrices of (all other axes, outputs) divided by left · K right, each stack by its own. */
function divided({ shape, data }, left, right) {
  const [rows, outputs] = [left.shape.at(-1), shape.at(-1)];
  const size = rows * outputs;
  const norms = Array.from({ length: data.length / size }, (_, stack) => {
    let norm = 0;
    for (let i = 0; i < size; i++) {
      const [u, v] = [stack * rows + Math.floor(i / outputs), stack * outputs + (i % outputs)];
      norm += left.data[u] * data[stack * size + i] * right.data[v];
    }
    return norm;
  });
  return data.map((w, i) => w / norms[Math.floor(i / size)]);
}
