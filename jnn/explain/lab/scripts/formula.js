// How the equations of the model compute a number: the formula, and what it reads.

import { sizeInWords } from "./figure.js";
import { part } from "./made.js";

const COPIES = 8;
const NOTES = [
  ["before(", "before(x) is the result of the step or copy before, of the first one x."],
  ["last(", "last(x) is that of the last step or copy."],
  ["where(", "where(c, x, y) is x where c holds, else y."],
  ["@", "a @ b is a product of matrices."],
];

/**
 * The formula of a value as an explanation, whose parts are the numbers that it reads at the same
 * place, and what it reads elsewhere; null where there is none. `readers` are those of all values.
 */
export function formulaOf(reader, readers, params) {
  const { formula } = reader.value;
  if (!formula?.reads.length) return null;
  const { lines, reads } = formula;
  const isTold = lines.length > 0;
  const parts = (at) =>
    reads.flatMap(([kind, path], i) => {
      const letter = isTold ? `${String.fromCodePoint(97 + i)} = ` : "";
      if (kind !== "value") return [{ name: `${letter}${path}`, text: `${kind}${sizeOf(path)}` }];
      return valueParts(
        letter,
        readers.find((other) => other.path === path),
        reader,
        at,
      );
    });
  const sizeOf = (path) => {
    const shape = params.find((other) => other.path.replace(/^\w+\//, "") === path)?.shape;
    return shape?.length ? ` ${shape.join(" × ")}` : "";
  };
  const told = NOTES.filter(([sign]) => lines.some((line) => line.includes(sign)));
  const note = isTold ? told.map(([, text]) => text).join(" ") : "It is computed of these values:";
  const text = lines.join("; ");
  return { kind: "formula", text, lines, note, number: (at) => reader.get(at), parts };
}

/** The number of a value at the same place, or of each of its copies; else what the value is. */
function valueParts(letter, source, reader, at) {
  const name = `${letter}${source.path}`;
  const there = placeIn(source, reader, at);
  const isAlike = source.isLike(reader) || (source.count === 1 && reader.count === 1);
  if (isAlike && source.stacks === reader.stacks) return [part(source, at, name)];
  if (!isAlike || reader.stacks > 1 || source.stacks > COPIES) {
    return [{ ...part(source, there, name), text: sizeInWords(source.value) }];
  }
  return Array.from({ length: source.stacks }, (_, stack) =>
    part(source, { ...at, stack }, `${name}, copy ${stack + 1}`),
  );
}

/** The place of another value that is nearest to one, along the axes that both have. */
function placeIn(source, reader, at) {
  const place = { stack: source.stacks === reader.stacks ? at.stack : 0 };
  for (const { name, n } of source.own) {
    place[name] = reader.size(name) === n ? (at[name] ?? 0) : 0;
  }
  return place;
}
