// How numbers of recurrent networks are made: states from gates, and both directions joined.

import { names } from "./linear.js";
import { hasBefore, made, part } from "./made.js";

/** The state of a recurrent cell from its gates. */
export function* cells(reader, { sibling }) {
  const { name } = names(reader.path);
  const [f, i, g, c] = ["forget_gate", "input_gate", "candidate", "cell"].map(sibling);
  if (name === "cell" && f && i && g) {
    const parts = (at) => [
      part(f, at, "forget gate f"),
      part(reader, oneBefore(at), "cell before c"),
      part(i, at, "input gate i"),
      part(g, at, "candidate g"),
    ];
    const number = (at) => f.get(at) * reader.get(oneBefore(at)) + i.get(at) * g.get(at);
    yield { ...made("gates", "f c + i g", number, parts), isFor: hasBefore };
  }
  const o = sibling("output_gate");
  if (name === "hidden" && o && c) {
    const parts = (at) => [part(o, at, "output gate o"), part(c, at, "cell c")];
    yield made("gates", "o tanh(c)", (at) => o.get(at) * Math.tanh(c.get(at)), parts);
  }
  const u = sibling("update_gate");
  if (name === "hidden" && u && g) {
    const parts = (at) => [
      part(u, at, "update gate u"),
      part(reader, oneBefore(at), "hidden before h"),
      part(g, at, "candidate n"),
    ];
    const number = (at) => u.get(at) * reader.get(oneBefore(at)) + (1 - u.get(at)) * g.get(at);
    yield { ...made("gates", "u h + (1 − u) n", number, parts), isFor: hasBefore };
  }
}

/** The place one step before. */
function oneBefore(at) {
  return { ...at, time: at.time - 1 };
}

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
        const number = (at) => from(at)[0].get(from(at)[1]);
        yield made("joined", text, number, (at) => [part(...from(at))]);
      }
    }
  }
}
