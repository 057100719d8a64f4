// How the state of a recurrent cell is made from its gates.

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
