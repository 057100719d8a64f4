// What enters and what leaves the copies of a repeated part, which no captured value says alone.

import { names } from "./linear.js";
import { Computed, elsewhere } from "./reader.js";

/** The paths of values within each repeated part of a walk, those within others first. */
export function repeatedPaths(part) {
  const within = part.rows.flat().flatMap((node) => repeatedPaths(node));
  return part.repeat > 1 ? [...within, { repeat: part.repeat, paths: pathsIn(part) }] : within;
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
    const inside = readers.filter((reader) => paths.includes(reader.path) && has(reader, repeat));
    const shortcuts = inside.filter(({ path }) => names(path).path.endsWith("shortcut/output/"));
    const last = inside.findLast((reader) => !shortcuts.includes(reader));
    const first = readers.indexOf(inside[0]);
    const isEntering = (reader) => last && reader.isLike(last);
    const nearest = [...sources, ...readers.slice(0, Math.max(0, first))].findLast(isEntering);
    const isRepeated = nearest && nearest.stacks === inside[0].stacks;
    const before = isRepeated && has(nearest, repeat) ? ofLast(nearest) : nearest;
    const terms = inside.filter((reader) => isAdded(reader) && reader.isLike(last));
    const groups = terms.length > 1 ? [terms, ...terms.map((term) => [term])] : [terms];
    const added = before && terms.length && !shortcuts.length ? groups : [];
    return { inside, shortcuts, last, first, before, added };
  });
  const around = parts.find(({ inside }) => inside.includes(readers[at]));
  if (around) return entering(readers[at], around);
  const known = parts.filter(({ first, last }) => last && first < at).toReversed();
  const behind = known.toSorted((a, b) => a.first - b.first).at(-1);
  if (!behind) return [];
  const { last, shortcuts, before, added } = behind;
  const sums = added.map((terms) => withAdded(before, terms, "what leaves this copy", 1));
  return [last, ...shortcuts, ...sums].map((reader) => ofLast(reader));
}

/** Whether the first axis of a value is that of so many copies; behind it may be that of members. */
function has({ value }, copies) {
  return value.scans > 0 && value.axes[0] === "stack" && value.shape[0] === copies;
}

/** How many stacks each copy of a value has: those of members. */
function membersOf({ stacks, value }) {
  return stacks / value.shape[0];
}

/** The shortcuts, and what enters each copy, if a copy gives its last value or adds a shortcut. */
function entering(own, { shortcuts, last, before, added }) {
  const others = shortcuts.filter((reader) => reader !== own);
  if (!before) return others;
  const given = [last, ...shortcuts.filter((reader) => reader.isLike(last)).map(plus(last))];
  const sums = added.map((terms) => withAdded(before, terms, "what enters this copy", 0));
  return [...others, ...given.map((reader) => ofCopyBefore(reader, before)), ...sums];
}

/** Whether a value may be added to what enters its copy, which no norm is. */
function isAdded({ path }) {
  return names(path).name === "output" && !path.includes("norm");
}

/** What enters each copy, or with 1 `more` leaves it, if each adds values to what enters it. */
function withAdded(before, added, path, more) {
  const members = membersOf(added[0]);
  const get = (at) => {
    const member = (at.stack ?? 0) % members;
    const copies = Math.floor((at.stack ?? 0) / members) + more;
    let sum = before.get({ ...at, stack: member });
    for (const reader of added) {
      for (let copy = 0; copy < copies; copy++) {
        sum += reader.get({ ...at, stack: copy * members + member });
      }
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
  const members = membersOf(given);
  const from = ({ stack = 0, ...place }) => {
    const isFirst = stack < members;
    return [isFirst ? before : given, { ...place, stack: isFirst ? stack : stack - members }];
  };
  return elsewhere({ ...given.value, path: "what enters this copy" }, from);
}

/** A stacked value of the last copy. */
function ofLast(reader) {
  const { value } = reader;
  const members = membersOf(reader);
  const kept = value.axes.map((_, axis) => axis).slice(1);
  const last = reader.stacks - members;
  const there = (place) => ({ ...place, stack: last + ((place.stack ?? 0) % members) });
  return elsewhere(
    {
      ...value,
      path: `${value.path} of the last copy`,
      shape: kept.map((axis) => value.shape[axis]),
      axes: kept.map((axis) => value.axes[axis]),
    },
    (place) => [reader, there(place)],
  );
}
