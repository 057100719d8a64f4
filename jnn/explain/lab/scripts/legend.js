// What to see in the pictures, a sentence for each kind of them that the page has.

import { element } from "../../scripts/elements.js";

const SENTENCES = {
  maps: "A tile for each channel of a picture: where in the picture its pattern is found.",
  vector: "A bar for each number of a layer, up for positive ones.",
  sequence:
    "Time goes from left to right, with a row for each unit: what the network holds at each step.",
  heads: "A tile for each head, time from left to right, with a row for each unit.",
  attention:
    "A tile for each head: a row is who looks (the query), a column who is looked at (the key).",
  steps: "A bar for each step in time.",
  grid: "All numbers of an array, row by row.",
};

/** The legend of a page with these values. */
export function legend(values) {
  const kinds = [...new Set(values.map(({ kind }) => kind))].filter((kind) => SENTENCES[kind]);
  const colours = element(
    "p",
    {},
    "Orange is positive, blue is negative; the strongest colour is the largest number of its picture.",
  );
  const items = kinds.map((kind) =>
    element("li", {}, element("b", {}, `${kind}: `), SENTENCES[kind]),
  );
  return element(
    "details",
    { class: "legend quiet" },
    element("summary", {}, "How to read the pictures"),
    colours,
    element("ul", {}, ...items),
  );
}
