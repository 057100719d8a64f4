// Calling what jnn.web has compiled, with arrays by their paths.

const KINDS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array };

/**
 * A compiled module as a function from `{path: number or array}` to `{path: typed array}`, which
 * has the `module`.
 */
export function program(module) {
  const inputs = slotsOf(module);
  const call = (values) => {
    const results = module.call(...inputs.map(([path, kind]) => typed(values[path], kind, path)));
    return Object.fromEntries(module.outputs.map(({ path }, i) => [path, results[i]]));
  };
  return Object.assign(call, { module });
}

/** The path of each argument of a module, and its kind of array. */
function slotsOf(module) {
  return module.inputs.map(({ path, dtype }) => [path.replace(/^0\/?/, ""), KINDS[dtype]]);
}

/**
 * A compiled module that is called again and again, each time with its last results below a path
 * as arguments. They keep their places: a call does not look for them by their paths.
 */
export class Recurrence {
  constructor(module, path) {
    this.module = module;
    this.inputs = slotsOf(module);
    this.arguments = this.inputs.map(() => null);
    this.place = Object.fromEntries(module.outputs.map((output, i) => [output.path, i]));
    const names = this.inputs.map(([name]) => name);
    this.kept = Object.keys(this.place)
      .filter((name) => name.startsWith(`${path}/`))
      .map((name) => [this.place[name], names.indexOf(name), name.slice(path.length + 1)]);
  }

  /** Set arguments by their paths, which stay until they are set again. */
  give(values) {
    this.inputs.forEach(([path, kind], i) => {
      if (path in values) this.arguments[i] = typed(values[path], kind, path);
    });
  }

  /** One call; `result(path)` has its results. */
  next() {
    this.results = this.module.call(...this.arguments);
    for (const [from, to] of this.kept) this.arguments[to] = this.results[from];
  }

  /** A result of the last call. */
  result(path) {
    return this.results[this.place[path]];
  }

  /** What is kept from call to call, by what follows the path. */
  get state() {
    return Object.fromEntries(this.kept.map(([, to, name]) => [name, this.arguments[to]]));
  }
}

/** A number or an array as a typed array of a kind. */
function typed(value, kind, path) {
  if (value instanceof kind) return value;
  if (typeof value === "number") return kind.of(value);
  if (value === undefined) throw new Error(`nothing is given for ${path}`);
  return kind.from(value);
}

/** Those of `{path: value}` below a path, without it. */
export function below(values, path) {
  const start = `${path}/`;
  const pairs = Object.entries(values).filter(([name]) => name.startsWith(start));
  return Object.fromEntries(pairs.map(([name, value]) => [name.slice(start.length), value]));
}

/** `{path: value}` with a path before each. */
export function under(path, values) {
  const pairs = Object.entries(values);
  return Object.fromEntries(pairs.map(([name, value]) => [`${path}/${name}`, value]));
}
