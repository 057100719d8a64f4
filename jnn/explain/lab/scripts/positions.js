// What tells a sequence its order: vectors of positions, added to what is at them.

import { names } from "./linear.js";
import { made, part } from "./made.js";

const LONGEST_WAVE = 10000;
const FIRST = [0, 2]; // rows before that of the first position, as of RoBERTa and OPT
const SOURCES = 8;

/** An earlier value plus the vector of a position: a learned row, or sines and cosines. */
export function* positions(reader, { earlier, params }) {
  if (!reader.size("time") || !reader.size("unit") || reader.own.length !== 2) return;
  const vectors = [...learned(reader, params), ...waves(reader)];
  for (const source of earlier.filter((other) => other.isLike(reader)).slice(0, SOURCES)) {
    for (const factor of [1, Math.sqrt(reader.size("unit"))]) {
      for (const [text, vector] of vectors) {
        const number = (at) => factor * source.get(at) + vector(at);
        const parts = (at) => [part(source, at), { name: "of the position", value: vector(at) }];
        yield made("position", `${factor === 1 ? "x" : "√D x"} + ${text}`, number, parts);
      }
    }
  }
}

/** The rows of a table. */
function learned(reader, params) {
  const table = params.get(`${names(reader.path).parent}embedding`, 2);
  const D = reader.size("unit");
  if (!table || table.shape[1] !== D) return [];
  return FIRST.filter((first) => reader.size("time") + first <= table.shape[0]).map((first) => [
    "the row of its position",
    ({ time, unit }) => table.data[(time + first) * D + unit],
  ]);
}

/** The sines, then the cosines of a time from 0 to 1, of half a turn and doubled numbers of turns. */
export function* times(reader, { earlier }) {
  const half = reader.size("unit") / 2;
  if (reader.own.length !== 1 || !Number.isInteger(half)) return;
  for (const source of earlier.filter(({ count }) => count === 1)) {
    const angle = (at) => 2 * Math.PI * 2 ** ((at.unit % half) - 1) * source.flat(0, at.stack);
    const number = (at) => (at.unit < half ? Math.sin : Math.cos)(angle(at));
    const parts = (at) => [
      part(source, source.placeOf(0), "t"),
      { name: "angle", value: angle(at) },
    ];
    yield made("position", "the sine or cosine of 2ᵏ π t", number, parts);
  }
}

/** Sines and cosines of decreasing frequency (Vaswani et al. 2017), in turn or one after another. */
function waves(reader) {
  const D = reader.size("unit");
  const wave = (time, pair, isSine) => {
    const angle = time * LONGEST_WAVE ** ((-2 * pair) / D);
    return isSine ? Math.sin(angle) : Math.cos(angle);
  };
  const inTurn = ({ time, unit }) => wave(time, Math.floor(unit / 2), unit % 2 === 0);
  const halves = ({ time, unit }) => wave(time, unit % (D / 2), unit < D / 2);
  return [inTurn, halves].map((vector) => ["the sine or cosine of its position", vector]);
}
