// Pictures whose squares of pixels are channels, and what is in reverse order.

import { taken } from "./made.js";

/** The same numbers with squares of pixels as channels, or the other way round (Shi et al. 2016). */
export function* rearranged(reader, { earlier }) {
  const own = reader.size("row");
  for (const source of earlier) {
    if (!own || !source.size("row") || source.count !== reader.count) continue;
    const [side, inverse] = [source.size("row") / own, own / source.size("row")];
    const factor = Math.max(side, inverse);
    if (factor < 2 || !Number.isInteger(factor)) continue;
    const place = side > 1 ? ofSquare(factor, source) : ofChannel(factor, reader);
    const text = `the same number, squares of ${factor} × ${factor} being channels`;
    yield taken("function", text, (at) => [source, place(at)], "x");
  }
}

/** Where an element of squares as channels is in the picture. */
function ofSquare(factor, picture) {
  const channels = picture.size("unit");
  return (at) => {
    const pixel = Math.floor(at.unit / channels);
    return {
      ...at,
      row: at.row * factor + Math.floor(pixel / factor),
      column: at.column * factor + (pixel % factor),
      unit: at.unit % channels,
    };
  };
}

/** Where an element of the picture is among squares as channels. */
function ofChannel(factor, picture) {
  const channels = picture.size("unit");
  return (at) => ({
    ...at,
    row: Math.floor(at.row / factor),
    column: Math.floor(at.column / factor),
    unit: ((at.row % factor) * factor + (at.column % factor)) * channels + at.unit,
  });
}

/** A sequence that is read from its end, or a picture whose left and right are exchanged. */
export function* reversed(reader, { earlier }) {
  for (const source of earlier.filter(({ count }) => count === reader.count)) {
    for (const name of ["time", "column"].filter((axis) => reader.size(axis))) {
      const last = reader.size(name) - 1;
      const there = (at) => reader.numberOf({ ...at, [name]: last - at[name] });
      const place = (at) => ({ ...source.placeOf(there(at)), stack: at.stack });
      const text = "the same number, in reverse order";
      yield taken("function", text, (at) => [source, place(at)], "x");
    }
  }
}
