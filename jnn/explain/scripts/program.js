// Calling what jnn.web has compiled, with arrays by their paths.

const KINDS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint8Array };

/** A compiled module as a function from `{path: number or array}` to `{path: typed array}`. */
export function program(model) {
  const inputs = model.inputs.map(({ path, dtype }) => [path.replace(/^0\/?/, ""), KINDS[dtype]]);
  return (values) => {
    const results = model.call(...inputs.map(([path, kind]) => typed(values[path], kind, path)));
    return Object.fromEntries(model.outputs.map(({ path }, i) => [path, results[i]]));
  };
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
