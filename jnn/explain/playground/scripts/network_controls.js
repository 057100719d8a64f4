// What a reader can set about data and training.

import { numbersFor, select, slider } from "./control.js";
import { kindOf, lossesFor } from "./state.js";

const SETS = {
  circles: "circles",
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
  wave: "a faster wave",
  own: "your own points",
};
const KIND_NAMES = {
  class: "Two classes",
  value: "A value at each point",
  curve: "A function of x",
};
const LOSSES = {
  cross_entropy: "cross entropy",
  hinge: "hinge",
  squared: "squared error",
  absolute: "absolute error",
  huber: "Huber",
};
const OPTIMIZERS = { sgd: "gradient descent", adam: "Adam" };

const RATES = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const WEIGHTS = [0, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const SCALES = [0, 0.1, 0.5, 1, 2, 5];

/** The controls of the data. */
export function dataControls(state, facts) {
  const isClass = kindOf(state, facts) === "class";
  const made = [
    slider("points", "Training points", 4, 200, 1),
    slider("noise", isClass ? "Noise of positions" : "Noise of values", 0, 1, 0.05),
    slider("flips", isClass ? "Wrong labels" : "Wrong values", 0, 0.5, 0.05),
  ];
  return [select("set", "Data set", setOptions(facts)), ...(state.set === "own" ? [] : made)];
}

/** The controls of training. */
export function trainingControls(state, facts) {
  return [
    select("loss", "Loss", named(lossesFor(kindOf(state, facts)), LOSSES)),
    select("optimizer", "Optimizer", named(facts.optimizers, OPTIMIZERS)),
    select("rate", "Learning rate", numbersFor(RATES, state.rate)),
    slider("momentum", "Momentum", 0, 0.99, 0.01),
    slider("batch", "Batch size", 1, 200, 1),
    select("decay", "Weight decay (L2)", numbersFor(WEIGHTS, state.decay)),
    select("l1", "L1 penalty", numbersFor(WEIGHTS, state.l1)),
    slider("dropout", "Dropout", 0, 0.9, 0.05),
    select("scale", "Initial weights", numbersFor(SCALES, state.scale, "× 1/√inputs")),
    slider("seed", "Seed", 0, 20, 1),
  ];
}

/** Values with their words. */
function named(values, words) {
  return values.map((value) => [value, words[value]]);
}

/** The data sets by what they are, as `[label, pairs]`. */
function setOptions(facts) {
  const groups = { class: [], value: [], curve: [] };
  for (const set of facts.sets) groups[kindOf({ set }, facts)].push([set, SETS[set]]);
  groups.class.push(["own", SETS.own]);
  return Object.entries(groups).map(([kind, pairs]) => [KIND_NAMES[kind], pairs]);
}
