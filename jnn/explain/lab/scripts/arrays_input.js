// Several arrays as input: noise is drawn anew, whole numbers are chosen, others are shown.

import { element } from "../../scripts/elements.js";
import { layout } from "./layout.js";
import { draw } from "./picture.js";

/** A number from the normal distribution (Box and Muller 1958). */
export function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function fillNormal(array) {
  for (let i = 0; i < array.length; i++) array[i] = normal();
}

/** An input of any arrays. */
export class ArraysInput {
  constructor(page, node) {
    this.page = page;
    this.parts = page.lab.input.leaves.map((leaf, i) => this.part(leaf, i));
    node.append(...this.parts.map((part) => part.node));
  }

  part({ path, shape, dtype, size }, i) {
    const title = element("b", {}, path || "x");
    if (size === 1 && dtype !== "float32") return this.whole(title, i);
    const canvas = element("canvas", {
      role: "img",
      "aria-label": `${path}: ${shape.join(" × ")}`,
    });
    const holder = element("div", { class: "canvas" }, canvas);
    const node = element("div", {}, title, ` ${shape.join(" × ")}`, holder);
    if (path.includes("noise")) {
      const again = () => {
        fillNormal(this.page.inputs[i]);
        this.page.changed();
      };
      node.append(element("button", { type: "button", onclick: again }, "Draw noise"));
    }
    const axes = shape.map(() => "axis");
    const value = { shape, axes, kind: "grid" };
    const update = () =>
      draw(canvas, layout(value), this.page.inputs[i], { width: holder.clientWidth });
    return { node, update };
  }

  whole(title, i) {
    const change = (event) => {
      this.page.inputs[i][0] = Number(event.target.value);
      this.page.changed();
    };
    const input = element("input", { type: "number", min: 0, step: 1, value: 0, oninput: change });
    const update = () => {
      if (input !== document.activeElement) input.value = this.page.inputs[i][0];
    };
    return { node: element("label", {}, title, input), update };
  }

  /** Draw the noise with which the page begins. */
  begin() {
    this.page.lab.input.leaves.forEach(({ path }, i) => {
      if (path.includes("noise")) fillNormal(this.page.inputs[i]);
    });
  }

  update() {
    for (const part of this.parts) part.update();
  }
}
