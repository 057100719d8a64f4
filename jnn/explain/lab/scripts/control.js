// A slider and a switch for a part of a value: a unit, a channel or a head, of one copy or of all.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { partName, stacks } from "./layout.js";

/** A part in words, by its number among those of all copies. */
export function partInWords(value, index) {
  const [copy, part] = [Math.floor(index / value.factors), index % value.factors];
  const name = `${partName(value)} ${part}`;
  return stacks(value) > 1 ? `${name} of copy ${copy + 1}` : name;
}

/** The numbers of a part among those of all copies: of one copy, or of `isAll` of them. */
export function indices(value, part, stack, isAll) {
  const copies = isAll ? Array.from({ length: stacks(value) }, (_, i) => i) : [stack];
  return copies.map((copy) => copy * value.factors + part);
}

/** The `nodes` of the control of a part, and `refresh()`, which shows its factor. */
export function control(page, value, part, figure) {
  const { model } = page;
  const factors = model.factors.get(value.path);
  if (!factors || part < 0) return { nodes: [], refresh: () => {} };
  const all = element("input", { type: "checkbox" });
  const own = () => figure.stack * value.factors + part;
  const change = (factor) => {
    for (const index of indices(value, part, figure.stack, all.checked)) {
      model.scale(value.path, index, factor);
    }
    page.changed(true);
  };
  const slide = (event) => change(Number(event.target.value));
  const toggle = () => change(factors[own()] === 0 ? 1 : 0);
  const range = { id: "factor", type: "range", min: 0, max: 2, step: 0.05, oninput: slide };
  const slider = element("input", range);
  const button = element("button", { type: "button", onclick: toggle });
  const label = element("label", { for: "factor" });
  const copies = stacks(value);
  const inAll = copies > 1 ? element("label", {}, all, ` in all ${copies} copies`) : "";
  const refresh = () => {
    const factor = factors[own()];
    slider.value = factor;
    label.textContent = `${partInWords(value, own())} times ${short(factor)}`;
    button.textContent = `Switch ${partName(value)} ${part} ${factor === 0 ? "on" : "off"}`;
  };
  return { nodes: [element("div", { class: "control" }, label, slider, button, inAll)], refresh };
}
