// What enters and what leaves the copies of a repeated part, which no captured value says alone.

import { Computed } from "./reader.js";

/** The paths of values within each repeated part of a walk, in a part of the outermost. */
export function repeatedPaths(part) {
  if (part.repeat > 1) return [{ repeat: part.repeat, paths: pathsIn(part) }];
  return part.rows.flat().flatMap((node) => repeatedPaths(node));
}

function pathsIn(part) {
  return [...part.values, ...part.rows.flat().flatMap((node) => pathsIn(node))];
}

/**
 * Readers that the value at a place among `readers` may be made of: within copies the shortcuts,
 * which later values hold though they are what enters, and what enters each copy; behind them what
 * the last copy gives. `sources` are the inputs.
 */
export function aroundCopies(walk, readers, at, sources) {
  const parts = repeatedPaths(walk).map(({ repeat, paths }) => {
    const inside = readers.filter(({ path, stacks }) => paths.includes(path) && stacks === repeat);
    const shortcuts = inside.filter(({ path }) => path.endsWith("shortcut/output"));
    const last = inside.findLast((reader) => !shortcuts.includes(reader));
    return { inside, shortcuts, last, first: readers.indexOf(inside[0]) };
  });
  const around = parts.find(({ inside }) => inside.includes(readers[at]));
  if (around) return entering(readers, at, around, sources);
  const behind = parts.findLast(({ first, last }) => last && first < at);
  return behind ? [behind.last, ...behind.shortcuts].map((reader) => ofLast(reader)) : [];
}

/** The shortcuts, and what enters each copy, if a copy gives its last value or adds a shortcut. */
function entering(readers, at, { inside, shortcuts, last, first }, sources) {
  const others = shortcuts.filter((reader) => reader !== readers[at]);
  const nearest = [...sources, ...readers.slice(0, first)].findLast((reader) => {
    return last && reader.isLike(last);
  });
  if (!nearest) return others;
  const before = nearest.stacks > 1 ? ofLast(nearest) : nearest;
  const given = [last, ...shortcuts.filter((reader) => reader.isLike(last)).map(plus(last))];
  const added = inside.filter((reader) => isAdded(reader) && reader.isLike(last));
  const sum = added.length > 1 && !shortcuts.length ? [withAdded(before, added)] : [];
  return [...others, ...given.map((reader) => ofCopyBefore(reader, before)), ...sum];
}

/** Whether a value may be added to what enters its copy, which no norm is. */
function isAdded({ path }) {
  return path.endsWith("output") && !path.includes("norm");
}

/** What enters each copy, if every copy adds several values to what enters it. */
function withAdded(before, added) {
  const get = ({ stack = 0, ...place }) => {
    let sum = before.get(place);
    for (const reader of added) {
      for (let copy = 0; copy < stack; copy++) sum += reader.get({ ...place, stack: copy });
    }
    return sum;
  };
  return new Computed({ ...added[0].value, path: "what enters this copy" }, get);
}

/** The sum of two values. */
function plus(a) {
  return (b) => new Computed(a.value, (place) => a.get(place) + b.get(place));
}

/** What the copy before gives, the first one being given `before`. */
function ofCopyBefore(given, before) {
  const from = ({ stack, ...place }) =>
    stack ? [given, { ...place, stack: stack - 1 }] : [before, place];
  const get = (place) => {
    const [reader, there] = from(place);
    return reader.get(there);
  };
  const origin = (place) => {
    const [reader, there] = from(place);
    return reader.origin(there);
  };
  return new Computed({ ...given.value, path: "what enters this copy" }, get, origin);
}

/** A stacked value of the last copy. */
function ofLast(reader) {
  const { value } = reader;
  const kept = value.axes.flatMap((name, axis) => (name === "stack" ? [] : [axis]));
  const there = (place) => ({ ...place, stack: reader.stacks - 1 });
  return new Computed(
    {
      ...value,
      path: `${value.path} of the last copy`,
      shape: kept.map((axis) => value.shape[axis]),
      axes: kept.map((axis) => value.axes[axis]),
    },
    (place) => reader.get(there(place)),
    (place) => reader.origin(there(place)),
  );
}
