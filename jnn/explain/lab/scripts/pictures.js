// Pictures that a model makes of its input before its first layer: smaller, standardized, mirrored.

import { moments } from "./groups.js";
import { Computed, elsewhere } from "./reader.js";

const LARGEST_BLOCK = 8;
const LEAST_VARIANCE = 1e-4; // that jnn adds in `standardize_images`

/** The pictures of so many channels that a convolution may read though they were not captured. */
export function* pictures(channels, { sources }) {
  for (const source of sources) {
    if (!source.size("row") || source.size("unit") !== channels) continue;
    for (const smaller of [source, ...blockMeans(source)]) {
      for (const picture of [smaller, standardized(smaller)]) {
        yield picture;
        yield mirrored(picture);
      }
    }
  }
}

/** The means of squares of pixels, for each size of squares that divides the sides. */
function blockMeans(source) {
  const sizes = Array.from({ length: LARGEST_BLOCK - 1 }, (_, i) => i + 2);
  const sides = [source.size("row"), source.size("column")];
  const own = sizes.filter((size) => sides.every((side) => side % size === 0));
  return own.map((size) => {
    const { path, shape } = source.value;
    const [rows, columns, channels] = shape;
    const means = { path: `${path}, means of ${size} × ${size} pixels` };
    const value = { ...source.value, ...means, shape: [rows / size, columns / size, channels] };
    const steps = Array.from({ length: size * size }, (_, i) => [Math.floor(i / size), i % size]);
    return computedOnce(value, ({ row, column, unit }) => {
      const pixel = ([r, c]) =>
        source.get({ row: row * size + r, column: column * size + c, unit });
      return steps.reduce((sum, step) => sum + pixel(step), 0) / size ** 2;
    });
  });
}

/** What is computed for all places when one of them is read. */
function computedOnce(value, at) {
  let all = null;
  const found = new Computed(value, (place) => {
    all ??= Array.from({ length: found.count }, (_, i) => at(found.placeOf(i)));
    return all[found.numberOf(place)];
  });
  return found;
}

/** A picture with mean 0 and deviation 1. */
function standardized(source) {
  let known = null;
  const all = () =>
    moments(Array.from({ length: source.count }, (_, i) => source.get(source.placeOf(i))));
  return new Computed({ ...source.value, path: `${source.path}, standardized` }, (at) => {
    known ??= all();
    const [mean, variance] = known;
    return (source.get(at) - mean) / Math.sqrt(variance + LEAST_VARIANCE);
  });
}

/** A picture whose left and right are exchanged. */
function mirrored(source) {
  const last = source.size("column") - 1;
  const there = (at) => ({ ...at, column: last - at.column });
  const value = { ...source.value, path: `${source.path}, mirrored` };
  return elsewhere(value, (at) => [source, there(at)]);
}
