// How a value lies in its picture: which axis are tiles, rows and columns.

import { product } from "./arrays.js";

const PLACES = {
  maps: { tile: "unit", row: "row", column: "column" },
  attention: { tile: "head", row: "query", column: "key" },
  sequence: { row: "unit", column: "time" },
  heads: { tile: "head", row: "unit", column: "time" },
  steps: { column: "time" },
};

/** The strides of C order. */
export function strides(shape) {
  return shape.map((_, axis) => product(shape.slice(axis + 1)));
}

/** Indices along several axes for one number, the last axis running fastest. */
export function unravel(number, sizes) {
  const index = [];
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    index.unshift(number % sizes[axis]);
    number = Math.floor(number / sizes[axis]);
  }
  return index;
}

/** The sizes of the axes of stacks, such as layers and members. */
export function stackSizes(value) {
  return value.shape.filter((_, axis) => value.axes[axis] === "stack");
}

/** How many stacks a value has. */
export function stacks(value) {
  return product(stackSizes(value));
}

/**
 * The picture of one stack of a value: `bars` or not, the numbers of tiles, rows and columns, and
 * `at(tile, row, column)`, where an element lies. `real` has the lengths of padded inputs.
 */
export function layout(value, stack = 0, real = {}) {
  const steps = strides(value.shape);
  const axes = value.axes.map((name, axis) => {
    const isTime = name === "time" || name === "query" || name === "key";
    const length = isTime ? (real[value.follows[axis]] ?? Infinity) : Infinity;
    return { name, n: Math.min(value.shape[axis], length), step: steps[axis] };
  });
  const stacked = axes.filter((axis) => axis.name === "stack");
  const own = axes.filter((axis) => axis.name !== "stack");
  const chosen = unravel(
    stack,
    stacked.map((axis) => axis.n),
  );
  const start = stacked.reduce((sum, axis, i) => sum + axis.step * chosen[i], 0);
  const places = PLACES[value.kind];
  const find = (name) => own.find((axis) => axis.name === name) ?? { n: 1, step: 0 };
  if (places) {
    const [tile, row, column] = ["tile", "row", "column"].map((place) => find(places[place]));
    const at = (t, r, c) => start + t * tile.step + r * row.step + c * column.step;
    const names = [places.tile, places.row, places.column];
    const sizes = { tiles: tile.n, rows: row.n, columns: column.n };
    const stretched = value.kind === "sequence" || value.kind === "heads";
    return { bars: value.kind === "steps", stretched, ...sizes, at, names };
  }
  const sides = sidesOf(value, own);
  const [tiles, rows, columns] = sides.map((side) => product(side.map(({ n }) => n)));
  const at = (...cell) => {
    const along = (side, i) => {
      const index = unravel(
        cell[i],
        side.map(({ n }) => n),
      );
      return side.reduce((sum, axis, j) => sum + axis.step * index[j], 0);
    };
    return sides.reduce((sum, side, i) => sum + along(side, i), start);
  };
  const stretched = isOverTime(value);
  const names = stretched ? ["part", "unit", "time"] : ["", "row", "unit"];
  return { bars: tiles * rows === 1, stretched, tiles, rows, columns, at, names };
}

/** Whether a value of no known kind is drawn over time, its other axes but the last as tiles. */
export function isOverTime({ axes }) {
  const own = axes.filter((name) => name !== "stack");
  return own.length > 2 && own.at(-1) !== "time" && own.includes("time");
}

/** The axes of such a value that are tiles, rows and columns, of those that are not stacks. */
function sidesOf(value, own) {
  const others = own.slice(0, -1);
  if (!isOverTime(value)) return [[], others, own.slice(-1)];
  const time = others.find(({ name }) => name === "time");
  return [others.filter((axis) => axis !== time), [own.at(-1)], [time]];
}

/** The axes of a value that are not stacks, with their lengths. */
function ownAxes({ axes, shape }) {
  const named = axes.map((name, axis) => ({ name, n: shape[axis] }));
  return named.filter(({ name }) => name !== "stack");
}

function isWithin(i, n) {
  return Number.isInteger(i) && i >= 0 && i < n;
}

/** Whether the picture of a value has such an element, and the value so many stacks. */
export function hasCell(value, { tile, row, column }, stack) {
  const { tiles, rows, columns } = layout(value);
  const isElement = isWithin(tile, tiles) && isWithin(row, rows) && isWithin(column, columns);
  return isElement && isWithin(stack, stacks(value));
}

/** Which part of a value, as factors count them, an element of its picture is of. */
export function partOf(value, { tile, row, column }) {
  if (!value.factors) return -1;
  if (value.kind === "maps" || value.kind === "heads") return tile;
  if (value.kind === "attention") return value.axes.includes("head") ? tile : column;
  if (value.kind === "sequence" || isOverTime(value)) return row;
  return column;
}

/** What the parts of a value are called. */
export function partName(value) {
  if (value.kind === "maps") return "channel";
  if (value.factors && value.axes.includes("head")) return "head";
  return value.kind === "steps" ? "step" : "unit";
}

/** An element in words, as "channel 3, row 2, column 5", counted from 0 as arrays are. */
export function inWords(value, { tile, row, column }, shape) {
  const parts = [];
  if (shape.tiles > 1) parts.push(`${value.kind === "maps" ? "channel" : shape.names[0]} ${tile}`);
  if (shape.rows > 1) parts.push(`${shape.names[1]} ${row}`);
  if (shape.columns > 1) parts.push(`${shape.names[2]} ${column}`);
  return parts.join(", ");
}

/** The place of an element of a picture, as a reader takes it: `{stack, time, unit}`. */
export function placeOf(value, { tile, row, column }, stack) {
  const places = PLACES[value.kind];
  if (places) return { stack, [places.tile]: tile, [places.row]: row, [places.column]: column };
  const place = { stack };
  sidesOf(value, ownAxes(value)).forEach((side, i) => {
    const index = unravel(
      [tile, row, column][i],
      side.map(({ n }) => n),
    );
    side.forEach(({ name }, axis) => (place[name] = index[axis]));
  });
  return place;
}

/** The element of a picture at such a place. */
export function cellOf(value, place) {
  const places = PLACES[value.kind];
  if (places) {
    const at = (name) => place[name] ?? 0;
    return { tile: at(places.tile), row: at(places.row), column: at(places.column) };
  }
  const [tile, row, column] = sidesOf(value, ownAxes(value)).map((side) =>
    side.reduce((sum, { name, n }) => sum * n + (place[name] ?? 0), 0),
  );
  return { tile, row, column };
}
