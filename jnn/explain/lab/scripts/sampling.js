// From logits to the next token: temperature, top-k, top-p and min-p, as jnn.decoding.sampling.

import { softmax } from "./arrays.js";

/** The logits that tokens are drawn from; those that are ruled out are -Infinity. */
export function adjusted(logits, { temperature = 1, topK = 0, topP = 1, minP = 0 } = {}) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const scale = Math.max(temperature, 1e-30);
  let z = Array.from(logits, (x) => (x === most ? 0 : (x - most) / scale));
  if (topK) z = atLeast(z, z.toSorted((a, b) => b - a)[Math.min(topK, z.length) - 1]);
  if (topP < 1) z = atLeast(z, nucleus(z, topP));
  if (minP) z = atLeast(z, Math.max(...z) + Math.log(minP));
  return z;
}

function atLeast(logits, least) {
  return logits.map((x) => (x < least ? -Infinity : x));
}

/** The smallest logit of the fewest tokens that have this probability together. */
function nucleus(logits, p) {
  const ordered = logits.toSorted((a, b) => b - a);
  const probabilities = softmax(ordered);
  let before = 0;
  let i = 0;
  while (i < ordered.length && before < p) before += probabilities[i++];
  return ordered[i - 1];
}

/** A token drawn with these probabilities, for a uniform number below 1. */
export function drawn(probabilities, uniform) {
  let below = 0;
  for (let token = 0; token < probabilities.length; token++) {
    below += probabilities[token];
    if (uniform < below) return token;
  }
  return probabilities.lastIndexOf(Math.max(...probabilities));
}
