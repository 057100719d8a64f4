// All weights and biases of the network, or their gradients, as tables.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { namesIn, widthsOf } from "./state.js";

/** A table that is closed until the reader opens it; only an open one is kept up to date. */
export class WeightsTable {
  constructor(box, opened) {
    this.place = element("div", { class: "tables" });
    this.summary = element("summary", { id: "weights-summary" });
    this.details = element("details", { ontoggle: opened }, this.summary, this.place);
    box.replaceChildren(this.details);
  }

  /** Shows the values for a state: those of params, or of their gradients. */
  show(state, facts, values) {
    const what = state.lines === "weights" ? "weights and biases" : "gradients";
    this.summary.textContent = `All ${what} as tables`;
    if (!this.details.open) return;
    let names = namesIn(state.features);
    let places = names.map((name) => facts.features.indexOf(name));
    const layers = [...widthsOf(state), 1];
    const tables = layers.map((n, layer) => {
      const isLast = layer === layers.length - 1;
      const path = isLast ? "out" : `hidden${layer}`;
      const width = isLast ? 1 : facts.width;
      const units = isLast ? ["output"] : Array.from({ length: n }, (_, i) => `neuron ${i + 1}`);
      const rows = names.map((name, k) => {
        const start = places[k] * width;
        return [name, units.map((_, unit) => values[`${path}/kernel`][start + unit])];
      });
      rows.push(["bias", units.map((_, unit) => values[`${path}/bias`][unit])]);
      names = units;
      places = units.map((_, j) => j);
      return table(isLast ? "Output" : `Layer ${layer + 1}`, units, rows);
    });
    this.place.replaceChildren(...tables);
  }
}

/** A table of numbers with a row for each input and a column for each neuron. */
function table(caption, columns, rows) {
  const heads = ["", ...columns].map((name) =>
    element(name ? "th" : "td", { scope: name && "col" }, name),
  );
  const lines = rows.map(([name, numbers]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      ...numbers.map((number) => element("td", {}, short(number))),
    ),
  );
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      { class: "grid" },
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...lines),
    ),
  );
}
