// A row of a table as input: a slider for each column, in its own unit.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";

const REACH = 3; // deviations on either side of the mean

/** The columns of a row; those that the model sees scaled are shown as they were. */
export class TableInput {
  constructor(page, node) {
    this.page = page;
    const { leaves, scaling, columns } = page.lab.input;
    const D = leaves[0].size;
    this.mean = scaling?.mean ?? Array(D).fill(0);
    this.deviation = scaling?.deviation ?? Array(D).fill(1);
    this.rows = Array.from({ length: D }, (_, i) => this.row(columns[i] ?? `column ${i + 1}`, i));
    node.append(element("div", { class: "columns" }, ...this.rows.map(({ node: row }) => row)));
  }

  row(name, i) {
    const [mean, deviation] = [this.mean[i], this.deviation[i]];
    const shown = element("output", { class: "number" });
    const change = (event) => {
      this.page.inputs[0][i] = (Number(event.target.value) - mean) / deviation;
      this.page.changed();
    };
    const slider = element("input", {
      type: "range",
      "aria-label": name,
      min: mean - REACH * deviation,
      max: mean + REACH * deviation,
      step: deviation / 50,
      oninput: change,
    });
    const text = element("span", {}, name);
    return { node: element("label", { class: "column" }, text, shown, slider), slider, shown };
  }

  update() {
    this.rows.forEach(({ slider, shown }, i) => {
      const value = this.page.inputs[0][i] * this.deviation[i] + this.mean[i];
      if (slider !== document.activeElement) slider.value = value;
      shown.textContent = short(value, 4);
    });
  }
}
