// Products of two values: scale and shift that another value gives, and products of vectors.

import { made, part } from "./made.js";

const TRIED = 8;

/** x (1 + scale) + shift, both being halves of one earlier value, in either order (Perez 2018). */
export function* modulations(reader, { earlier }) {
  const units = reader.size("unit");
  if (!units) return;
  const like = earlier.filter((other) => other.isLike(reader)).slice(0, TRIED);
  const both = earlier.filter((other) => other.size("unit") === 2 * units).slice(0, TRIED);
  for (const source of like) {
    for (const m of both.filter((other) => other.own.length <= reader.own.length)) {
      for (const first of [0, units]) {
        for (const one of [1, 0]) {
          const [scale, shift] = [first, units - first];
          const number = (at) =>
            source.get(at) * (one + m.get(unitOn(at, scale))) + m.get(unitOn(at, shift));
          const parts = (at) => [
            part(source, at, "x"),
            part(m, unitOn(at, scale), "scale"),
            part(m, unitOn(at, shift), "shift"),
          ];
          yield made("product", one ? "x (1 + scale) + shift" : "x scale + shift", number, parts);
        }
      }
    }
  }
}

/** The place so many units further. */
function unitOn(at, units) {
  return { ...at, unit: at.unit + units };
}

/** Σ a b, the product of two vectors, plus a number or without; by their lengths, or their number of units, where it is so. */
export function* dots(reader, { earlier }) {
  const isNumber = reader.own.every(({ n, name }) => name !== "unit" || n === 1);
  if (!isNumber || reader.count !== 1) return;
  const vectors = earlier.filter((other) => other.own.length === 1).slice(0, TRIED);
  const numbers = earlier.filter((other) => other.count === 1).slice(0, TRIED);
  for (const [i, a] of vectors.entries()) {
    const units = a.own[0].n;
    const name = a.own[0].name;
    for (const b of vectors.slice(i).filter((other) => other.isLike(a))) {
      const place = (at, unit) => ({ stack: at.stack, [name]: unit });
      const all = (at) => Array.from({ length: units }, (_, unit) => place(at, unit));
      const sum = (at, f) => all(at).reduce((total, there) => total + f(there), 0);
      const dot = (at) => sum(at, (there) => a.get(there) * b.get(there));
      const sizes = (at) =>
        Math.sqrt(sum(at, (there) => a.get(there) ** 2) * sum(at, (there) => b.get(there) ** 2));
      const term = (there) => ({
        ...part(a, there, `a b of unit ${there[name]}`),
        value: a.get(there) * b.get(there),
      });
      const parts = (at) =>
        all(at)
          .map(term)
          .toSorted((p, q) => Math.abs(q.value) - Math.abs(p.value));
      yield made("product", "Σ a b", dot, parts);
      for (const c of numbers) {
        const more = (at) => dot(at) + c.flat(0, at.stack);
        const first = (at) => part(c, { ...c.placeOf(0), stack: at.stack }, "c");
        yield made("product", "Σ a b + c", more, (at) => [first(at), ...parts(at)]);
      }
      yield made("product", "Σ a b / √d", (at) => dot(at) / Math.sqrt(units), parts);
      yield made("product", "Σ a b / √(Σ a² Σ b²)", (at) => dot(at) / sizes(at), parts);
    }
  }
}
