// Values, read by the names of their axes.

import { product } from "./arrays.js";
import { strides, unravel } from "./layout.js";

/** A value whose elements are read at a place such as `{stack: 1, time: 3, unit: 5}`. */
export class Reader {
  constructor(value, data) {
    this.value = value;
    this.data = data;
    this.path = value.path;
    const steps = strides(value.shape);
    const axes = value.axes.map((name, i) => ({ name, n: value.shape[i], step: steps[i] }));
    const isOverTime = value.axes.includes("time") && value.axes.includes("unit");
    const isStacked = ({ name }) => name === "stack" || (isOverTime && name.startsWith("axis"));
    this.stacked = axes.filter(isStacked);
    this.own = axes.filter((axis) => !isStacked(axis));
    this.stacks = product(this.stacked.map(({ n }) => n));
    this.count = product(this.own.map(({ n }) => n));
  }

  /** How long an axis is; 0 where there is none. */
  size(name) {
    return this.own.find((axis) => axis.name === name)?.n ?? 0;
  }

  /** Whether the axes have the same names and lengths as those of another value. */
  isLike(other) {
    return (
      this.own.length === other.own.length &&
      this.own.every(({ name, n }, axis) => {
        return other.own[axis].name === name && other.own[axis].n === n;
      })
    );
  }

  /** The element at a place; 0 beside the axes, as padding has it. */
  get(place) {
    let at = this.start(place.stack ?? 0);
    for (const { name, n, step } of this.own) {
      const i = place[name] ?? 0;
      if (i < 0 || i >= n) return 0;
      at += i * step;
    }
    return this.data[at];
  }

  /** An element by its number among those of one stack. */
  flat(i, stack = 0) {
    return this.get({ ...this.placeOf(i), stack });
  }

  /** The place of an element by its number. */
  placeOf(i) {
    const index = unravel(
      i,
      this.own.map(({ n }) => n),
    );
    return Object.fromEntries(this.own.map(({ name }, axis) => [name, index[axis]]));
  }

  /** A place in which axes beside those of stacks, as of several sequences, count as stacks. */
  located(place) {
    let rest = place.stack ?? 0;
    const stacks = this.stacked.filter(({ name }) => name === "stack").map(({ n }) => n);
    const index = unravel(rest, stacks);
    rest = 0;
    for (const { name, n } of this.stacked) {
      rest = rest * n + (name === "stack" ? index.shift() : (place[name] ?? 0));
    }
    return { ...place, stack: rest };
  }

  /** The number of an element among those of one stack. */
  numberOf(place) {
    return this.own.reduce((number, { name, n }) => number * n + (place[name] ?? 0), 0);
  }

  /** Which captured value an element is of, and where in it; null where it is computed here. */
  origin(place) {
    const index = this.indexOf(place.stack ?? 0);
    const there = { ...place, stack: 0 };
    this.stacked.forEach(({ name, n }, i) => {
      if (name === "stack") there.stack = there.stack * n + index[i];
      else there[name] = index[i];
    });
    return { path: this.path, place: there };
  }

  /** The numbers of a stack along all axes of stacks. */
  indexOf(stack) {
    return unravel(
      stack % this.stacks,
      this.stacked.map(({ n }) => n),
    );
  }

  start(stack) {
    const index = this.indexOf(stack);
    return this.stacked.reduce((sum, { step }, i) => sum + step * index[i], 0);
  }
}

/** What is computed of values that were captured, read like them. */
export class Computed extends Reader {
  /** `at(place)` is an element; `origin(place)` says which captured value it is of, if it is. */
  constructor(value, at, origin = () => null) {
    super(value, null);
    this.at = at;
    this.origin = origin;
  }

  get(place) {
    const isInside = this.own.every(
      ({ name, n }) => (place[name] ?? 0) >= 0 && (place[name] ?? 0) < n,
    );
    return isInside ? this.at(place) : 0;
  }
}

/** The elements of other values: `from(place)` is the reader of each, and its place there. */
export function elsewhere(value, from) {
  const get = (at) => {
    const [reader, there] = from(at);
    return reader.get(there);
  };
  const origin = (at) => {
    const [reader, there] = from(at);
    return reader.origin(there);
  };
  return new Computed(value, get, origin);
}

/** A sequence as a masked layer reads it: 0 behind the elements that are real. */
export function masked(source, length) {
  const get = (place) => (place.time < length ? source.get(place) : 0);
  return new Computed(source.value, get, (place) => source.origin(place));
}

/** The axes along which a value has units. */
export function placesOfUnits(source) {
  return source.own.filter(({ name }) => name !== "unit");
}

/** Whether two values have the same axes but for their units. */
export function haveSamePlaces(a, b) {
  const [one, other] = [a, b].map((source) => placesOfUnits(source));
  const isLike = ({ name, n }, axis) => other[axis].name === name && other[axis].n === n;
  return one.length === other.length && one.every(isLike);
}

/** An input as a value, whose axes are named by its shape. */
export function inputValue({ path, shape, dtype }) {
  const axes = { 1: ["unit"], 2: ["time", "unit"], 3: ["row", "column", "unit"] }[shape.length];
  return { path: path || "input", shape, dtype, axes: axes ?? shape.map(() => "axis") };
}
