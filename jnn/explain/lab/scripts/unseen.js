// What a layer may read though it was not captured: made of one or two values that were.

import { product } from "./arrays.js";
import { Computed, elsewhere, haveSamePlaces, placesOfUnits } from "./reader.js";
import { FUNCTIONS } from "./functions.js";

const NEAR = 8;

/**
 * The values of so many units that a layer may read: functions of a value, sums and products of two,
 * values side by side, and means and ends of what has places. `earlier` are the nearest ones first.
 */
export function* unseen(units, { earlier, length }) {
  const near = earlier.filter((source) => source.size("unit") || !source.own.length);
  const isWide = (source) => source.size("unit") === units || source.count === units;
  const own = near.filter(isWide).slice(0, NEAR);
  for (const source of own) yield* functionsOf(source);
  for (const [a, b] of couples(near.filter((source) => source.size("unit") < units))) {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ]) {
      if (width(first) + width(second) === units && haveSamePlaces(first, second)) {
        yield beside(first, second);
      }
    }
  }
  for (const [a, b] of couples(own).filter(([first, second]) => first.isLike(second))) {
    const sum = both(a, b, `${a.path} + ${b.path}`, (x, y) => x + y);
    yield sum;
    yield both(a, b, `${a.path} · ${b.path}`, (x, y) => x * y);
    yield both(a, b, `${a.path} − ${b.path}`, (x, y) => x - y);
    yield* functionsOf(sum);
  }
  for (const source of near.filter((other) => other.own.length > 1)) {
    if (source.size("unit") === units) yield* summaries(source, length);
  }
}

function width(source) {
  return source.size("unit") || 1;
}

function couples(values) {
  const nearest = values.slice(0, NEAR);
  return nearest.flatMap((a, i) => nearest.slice(i + 1).map((b) => [a, b]));
}

function* functionsOf(source) {
  for (const [name, f] of Object.entries(FUNCTIONS)) {
    yield new Computed({ ...source.value, path: `${name}(${source.path})` }, (at) =>
      f(source.get(at)),
    );
  }
}

function both(a, b, path, f) {
  return new Computed({ ...a.value, path }, (at) => f(a.get(at), b.get(at)));
}

/** The units of one value, then those of another. */
function beside(a, b) {
  const units = width(a);
  const from = (at) => {
    const unit = at.unit ?? 0;
    return unit < units ? [a, at] : [b, { ...at, unit: unit - units }];
  };
  const wide = a.own.length ? a : b;
  const { value } = wide;
  const shape = value.shape.map((n, axis) => (value.axes[axis] === "unit" ? units + width(b) : n));
  return elsewhere({ ...value, path: `${a.path} beside ${b.path}`, shape }, from);
}

/** The mean and the largest over all places of a value, and its last step. */
function* summaries(source, length) {
  const { value, stacked } = source;
  const places = placesOfUnits(source);
  const sizes = places.map(({ name, n }) => (name === "time" ? length(source) : n));
  const axes = [...stacked.map(() => "stack"), "unit"];
  const shape = [...stacked.map(({ n }) => n), source.size("unit")];
  const all = ({ unit, stack }) => {
    const numbers = [];
    const count = product(sizes);
    for (let i = 0; i < count; i++) {
      let rest = i;
      const place = { unit, stack };
      places.forEach(({ name }, axis) => {
        place[name] = rest % sizes[axis];
        rest = Math.floor(rest / sizes[axis]);
      });
      numbers.push(source.get(place));
    }
    return numbers;
  };
  const mean = (at) => all(at).reduce((a, b) => a + b, 0) / product(sizes);
  const named = (path) => ({ ...value, path, shape, axes });
  yield new Computed(named(`the mean of ${source.path}`), mean);
  yield new Computed(named(`the largest of ${source.path}`), (at) => Math.max(...all(at)));
  if (places.length !== 1 || places[0].name !== "time") return;
  const last = (at) => ({ ...at, time: sizes[0] - 1 });
  yield elsewhere(named(`the last step of ${source.path}`), (at) => [source, last(at)]);
}
