// How much a query attends to a key, with rotary positions or without, up to the query or to all.

import { names } from "./linear.js";

const BASE = 10000;
const PAIRS = {
  "": null,
  ", q and k rotated": (i, d) => [i, i + d / 2],
  ", q and k rotated in neighbouring pairs": (i) => [2 * i, 2 * i + 1],
};

/** A vector rotated to its position, pair by pair (Su et al. 2021); as it is without `pairs`. */
export function rotated(x, position, pairs) {
  if (!pairs || x.length % 2) return x;
  const found = Array.from(x);
  for (let i = 0; i < x.length / 2; i++) {
    const angle = position * BASE ** ((-2 * i) / x.length);
    const [a, b] = pairs(i, x.length);
    found[a] = x[a] * Math.cos(angle) - x[b] * Math.sin(angle);
    found[b] = x[a] * Math.sin(angle) + x[b] * Math.cos(angle);
  }
  return found;
}

/** softmax(q k / √d) over the keys: explanations that can be tried, see `making.js`. */
export function* attention(reader, { sibling, length }) {
  const [q, k] = ["query", "key"].map(sibling);
  if (names(reader.path).name !== "weights" || !q?.size("head") || !k?.size("head")) return;
  const keys = Math.min(reader.size("key"), length(k));
  for (const isCausal of [true, false]) {
    for (const [how, pairs] of Object.entries(PAIRS)) {
      const text = `softmax(q k / √d)${isCausal ? ", up to the query" : ""}${how}`;
      yield softmaxOf({ q, k, keys, isCausal, pairs, text });
    }
  }
}

/** Over so many keys, those that are real. */
function softmaxOf({ q, k, keys, isCausal, pairs, text }) {
  const share = Math.max(1, Math.round(q.size("head") / k.size("head")));
  const d = q.size("unit");
  const vector = (source, time, head, stack) => {
    const x = Array.from({ length: d }, (_, unit) => source.get({ time, head, unit, stack }));
    return rotated(x, time, pairs);
  };
  const logits = ({ head, query, stack }) => {
    const left = vector(q, query, head, stack);
    return Array.from({ length: isCausal ? query + 1 : keys }, (_, key) => {
      const right = vector(k, key, Math.floor(head / share), stack);
      return left.reduce((sum, x, unit) => sum + x * right[unit], 0) / Math.sqrt(d);
    });
  };
  const number = (at) => {
    if (at.key >= keys || (isCausal && at.key > at.query)) return 0;
    const z = logits(at);
    const most = Math.max(...z);
    return Math.exp(z[at.key] - most) / z.reduce((sum, x) => sum + Math.exp(x - most), 0);
  };
  const parts = (at) => {
    const z = logits(at);
    const order = Array.from(z.keys()).toSorted((a, b) => z[b] - z[a]);
    const shown = [at.key, ...order.filter((key) => key !== at.key)].slice(0, 6);
    return shown.map((key) => ({ name: `q k / √d of key ${key}`, value: z[key] ?? -Infinity }));
  };
  return { kind: "softmax", text, number, parts };
}
