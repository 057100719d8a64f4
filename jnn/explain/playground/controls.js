// The settings as labelled selects and sliders.

import { byId, element } from "../scripts/elements.js";
import { short } from "../scripts/numbers.js";
import { kindOf, lossesFor } from "./state.js";

const SETS = {
  circles: "circles, one in the other",
  xor: "four corners (xor)",
  clusters: "two clusters",
  spirals: "two spirals",
  moons: "two moons",
  slope: "a slope",
  hills: "hills and valleys",
  saddle: "a saddle",
  sine: "a sine",
  bump: "a bump",
  steps: "steps",
  kink: "a kink",
  wave: "a wave that gets faster",
  own: "your own points",
};
const GROUPS = { class: "Two classes", value: "A value at each point", curve: "A function of x" };
const LOSSES = {
  cross_entropy: "cross entropy",
  hinge: "hinge",
  squared: "squared error",
  absolute: "absolute error",
  huber: "Huber",
};

const RATES = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const WEIGHTS = [0, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];

/** Each control: where it is, its kind, what it offers, and what a change makes necessary. */
function controlsOf(state, facts) {
  const kind = kindOf(state, facts);
  const isClass = kind === "class";
  const made = [
    slider("points", "Training points", 4, 200, 1),
    slider("noise", isClass ? "Noise of positions" : "Noise of values", 0, 1, 0.05),
    slider("flips", isClass ? "Wrong labels" : "Wrong values", 0, 0.5, 0.05),
  ];
  const data = [select("set", "Data set", setOptions(facts)), ...(state.set === "own" ? [] : made)];
  const training = [
    select("loss", "Loss", named(lossesFor(kind), LOSSES)),
    select("optimizer", "Optimizer", [
      ["sgd", "gradient descent"],
      ["adam", "Adam"],
    ]),
    select("rate", "Learning rate", numbersFor(RATES, state.rate)),
    slider("momentum", "Momentum", 0, 0.99, 0.01),
    slider("batch", "Batch size", 1, 200, 1),
    select("decay", "Weight decay (L2)", numbersFor(WEIGHTS, state.decay)),
    select("l1", "L1 penalty", numbersFor(WEIGHTS, state.l1)),
    slider("dropout", "Dropout", 0, 0.9, 0.05),
    select(
      "scale",
      "Initial weights",
      numbersFor([0, 0.1, 0.5, 1, 2, 5], state.scale, "× 1/√inputs"),
    ),
    slider("seed", "Seed", 0, 20, 1),
  ];
  return { "data-controls": data, "training-controls": training };
}

/** A control that offers pairs of values and words. */
function select(name, label, options) {
  return { name, label, options };
}

/** A control for a number between two. */
function slider(name, label, min, max, step) {
  return { name, label, min, max, step };
}

/** Values with their words. */
function named(values, words) {
  return values.map((value) => [value, words[value]]);
}

/** Numbers to offer, with the one that is set. */
function numbersFor(values, current, unit = "") {
  const all = values.includes(current) ? values : [...values, current].toSorted((a, b) => a - b);
  return all.map((value) => [value, `${short(value)} ${unit}`.trim()]);
}

/** The data sets by what they are, as `[label, pairs]`. */
function setOptions(facts) {
  const groups = { class: [], value: [], curve: [] };
  for (const set of facts.sets) groups[kindOf({ set }, facts)].push([set, SETS[set]]);
  groups.class.push(["own", SETS.own]);
  return Object.entries(groups).map(([kind, pairs]) => [GROUPS[kind], pairs]);
}

/** Shows all controls for a state; `change(name, value)` is called with what the reader sets. */
export function showControls(state, facts, change) {
  for (const [place, controls] of Object.entries(controlsOf(state, facts))) {
    const focused = document.activeElement?.id;
    byId(place).replaceChildren(...controls.map((control) => row(control, state, change)));
    if (focused && byId(focused)) byId(focused).focus();
  }
}

/** A control with its label. */
function row(control, state, change) {
  const id = `set-${control.name}`;
  const value = state[control.name];
  const shown = element("output", { for: id }, control.options ? "" : short(value));
  const label = element("label", { for: id }, control.label, " ", shown);
  const input = control.options ? choice(control, id, value) : range(control, id, value);
  input.addEventListener("input", () => {
    if (!control.options) shown.textContent = short(Number(input.value));
  });
  input.addEventListener("change", () => {
    change(control.name, typeof value === "number" ? Number(input.value) : input.value);
  });
  return element("div", { class: "control" }, label, input);
}

/** The element of a control that offers pairs. */
function choice({ options }, id, value) {
  const option = ([name, words]) =>
    element("option", { value: name, selected: name === value }, words);
  const isGrouped = Array.isArray(options[0][1]);
  const items = isGrouped
    ? options.map(([label, pairs]) => element("optgroup", { label }, ...pairs.map(option)))
    : options.map(option);
  return element("select", { id }, ...items);
}

/** The element of a control for a number. */
function range({ min, max, step }, id, value) {
  return element("input", { id, type: "range", min, max, step, value });
}
