// What to see in the pictures, a sentence for each kind of them that the page has.

import { element } from "../../scripts/elements.js";
import { isOverTime } from "./layout.js";

const SENTENCES = {
  maps: "A tile for each channel of a picture: where in the picture its pattern is found.",
  vector: "A bar for each number of a layer, up for positive ones.",
  sequence:
    "A sequence from left to right, with a row for each unit: what the network holds at each step.",
  heads: "A tile for each head, the sequence from left to right, with a row for each unit.",
  attention:
    "A tile for each head: a row is who looks (the query), a column who is looked at (the key).",
  steps: "A bar for each step in time.",
  parts:
    "A tile for each sequence of a group, time from left to right, with a row for each of its units.",
  grid: "All numbers of an array, row by row.",
};

/** The kind of a value as it is drawn: a grid may be several sequences. */
function drawnKind(value) {
  return value.kind === "grid" && isOverTime(value) ? "parts" : value.kind;
}

/** The legend of a page with these values. */
export function legend(values) {
  const kinds = [...new Set(values.map(drawnKind))].filter((kind) => SENTENCES[kind]);
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
