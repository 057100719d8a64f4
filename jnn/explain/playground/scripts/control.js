// Settings as labelled selects and sliders.

import { byId, element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";

/** A control that offers pairs of values and words. */
export function select(name, label, options) {
  return { name, label, options };
}

/** A control for a number between two. */
export function slider(name, label, min, max, step) {
  return { name, label, min, max, step };
}

/** Numbers to offer, with the one that is set. */
export function numbersFor(values, current, unit = "") {
  const all = values.includes(current) ? values : [...values, current].toSorted((a, b) => a - b);
  return all.map((value) => [value, `${value} ${unit}`.trim()]);
}

/** Shows controls in a place; `change({name: value})` is called with what the reader sets. */
export function showControls(place, controls, state, change) {
  const focused = document.activeElement?.id;
  byId(place).replaceChildren(...controls.map((control) => row(place, control, state, change)));
  if (focused) byId(focused)?.focus();
}

/** A control with its label; views have controls of the same name, so its place is in its id. */
function row(place, control, state, change) {
  const id = `${place}-${control.name}`;
  const value = state[control.name];
  const shown = element("output", { for: id }, control.options ? "" : short(value));
  const name = element("label", { for: id }, control.label, " ", shown);
  const input = control.options ? choice(control, id, value) : range(control, id, value);
  input.addEventListener("input", () => {
    if (!control.options) shown.textContent = short(Number(input.value));
  });
  input.addEventListener("change", () => {
    change({ [control.name]: typeof value === "number" ? Number(input.value) : input.value });
  });
  return element("div", { class: "control" }, name, input);
}

/** The element of a control that offers pairs. */
function choice({ options }, id, value) {
  const option = ([name, words]) =>
    element("option", { value: name, selected: name === value }, words);
  const isGrouped = Array.isArray(options[0][1]);
  const items = isGrouped
    ? options.map(([group, pairs]) => element("optgroup", { label: group }, ...pairs.map(option)))
    : options.map(option);
  return element("select", { id }, ...items);
}

/** The element of a control for a number. */
function range({ min, max, step }, id, value) {
  return element("input", { id, type: "range", min, max, step, value });
}
