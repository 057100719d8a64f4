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
    const first = readers.indexOf(inside[0]);
    const isEntering = (reader) => last && reader.isLike(last);
    const nearest = [...sources, ...readers.slice(0, Math.max(0, first))].findLast(isEntering);
    const before = nearest?.stacks > 1 ? ofLast(nearest) : nearest;
    const terms = inside.filter((reader) => isAdded(reader) && reader.isLike(last));
    const added = before && terms.length > 1 && !shortcuts.length ? terms : [];
    return { inside, shortcuts, last, first, before, added };
  });
  const around = parts.find(({ inside }) => inside.includes(readers[at]));
  if (around) return entering(readers[at], around);
  const behind = parts.findLast(({ first, last }) => last && first < at);
  if (!behind) return [];
  const { last, shortcuts, before, added } = behind;
  const sum = added.length ? [withAdded(before, added, "what leaves this copy", 1)] : [];
  return [last, ...shortcuts, ...sum].map((reader) => ofLast(reader));
}

/** The shortcuts, and what enters each copy, if a copy gives its last value or adds a shortcut. */
function entering(own, { shortcuts, last, before, added }) {
  const others = shortcuts.filter((reader) => reader !== own);
  if (!before) return others;
  const given = [last, ...shortcuts.filter((reader) => reader.isLike(last)).map(plus(last))];
  const sum = added.length ? [withAdded(before, added, "what enters this copy", 0)] : [];
  return [...others, ...given.map((reader) => ofCopyBefore(reader, before)), ...sum];
}

/** Whether a value may be added to what enters its copy, which no norm is. */
function isAdded({ path }) {
  return path.endsWith("output") && !path.includes("norm");
}

/** What enters each copy, or with 1 `more` leaves it, if each adds values to what enters it. */
function withAdded(before, added, path, more) {
  const get = ({ stack = 0, ...place }) => {
    let sum = before.get(place);
    for (const reader of added) {
      for (let copy = 0; copy < stack + more; copy++) sum += reader.get({ ...place, stack: copy });
    }
    return sum;
  };
  return new Computed({ ...added[0].value, path }, get);
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
