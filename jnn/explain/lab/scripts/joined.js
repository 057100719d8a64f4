// The units of several values side by side.

import { taken } from "./made.js";
import { haveSamePlaces } from "./reader.js";

const MOST_JOINED = 4;
const AMONG = 8;

/** The units of one sequence beside those of another, which may have been read from its end. */
export function* joined(reader, { earlier, length }) {
  if (!reader.size("unit") || !reader.size("time") || reader.own.length !== 2) return;
  const like = earlier.filter((other) => other.own.length === 2 && other.size("time")).slice(0, 10);
  for (const first of like) {
    const units = first.size("unit");
    for (const second of like) {
      if (second === first || units + second.size("unit") !== reader.size("unit")) continue;
      for (const end of [length(second) - 1, null]) {
        const from = (at) => {
          if (at.unit < units) return [first, at];
          const time = end === null ? at.time : end - at.time;
          return [second, { ...at, time, unit: at.unit - units }];
        };
        const text = end === null ? "a beside b" : "a beside b, which is read from the end";
        yield taken("joined", text, from);
      }
    }
  }
}

/** The units of two to four values, in the order in which they were computed or the opposite one. */
export function* sideBySide(reader, { earlier }) {
  const units = reader.size("unit");
  const like = earlier.filter((other) => haveSamePlaces(other, reader) && other.size("unit"));
  for (const group of groupsOfUnits(like.slice(0, AMONG), units)) {
    for (const parts of [group.toReversed(), group]) {
      const from = (at) => {
        let unit = at.unit;
        let i = 0;
        while (unit >= parts[i].size("unit")) unit -= parts[i++].size("unit");
        return [parts[i], { ...at, unit }];
      };
      yield taken("joined", `${group.length} values side by side`, from);
    }
  }
}

/** The groups of at least two values that have so many units together. */
function groupsOfUnits(values, units, size = 0) {
  if (!units) return size > 1 ? [[]] : [];
  if (size === MOST_JOINED) return [];
  return values.flatMap((value, i) => {
    const rest = units - value.size("unit");
    if (rest < 0) return [];
    return groupsOfUnits(values.slice(i + 1), rest, size + 1).map((group) => [value].concat(group));
  });
}
