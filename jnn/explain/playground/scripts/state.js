// What a reader can set, and what the compiled programs take it as.

/** Every setting of the page, with its default; the address has those that differ. */
export const DEFAULTS = {
  view: "network",
  lesson: 0,
  set: "circles",
  seed: 0,
  points: 100,
  noise: 0.1,
  flips: 0,
  own: "",
  features: "x,y",
  layers: "4,2",
  activation: "tanh",
  scale: 1,
  loss: "cross_entropy",
  batch: 10,
  rate: 0.1,
  optimizer: "sgd",
  momentum: 0,
  decay: 0,
  l1: 0,
  dropout: 0,
  lines: "weights",
  numbers: 0,
  example: 0,
  surface: "bowl",
  a: -2.2,
  b: 1.6,
  push: 0.9,
  jitter: 0,
  gan: "ring",
  generator: 0.002,
  discriminator: 0.004,
};

const RANGES = {
  seed: [0, 2 ** 32 - 1, true],
  lesson: [0, 8, true],
  points: [4, 200, true],
  noise: [0, 1],
  flips: [0, 0.5],
  scale: [0, 10],
  batch: [1, 200, true],
  rate: [0.00001, 10],
  momentum: [0, 0.99],
  decay: [0, 1],
  l1: [0, 1],
  dropout: [0, 0.9],
  numbers: [0, 1, true],
  example: [0, 199, true],
  a: [-3, 3],
  b: [-3, 3],
  push: [0, 0.99],
  jitter: [0, 1],
  generator: [0, 0.1],
  discriminator: [0, 0.1],
};

/** The state with each value one that there is, whatever the address said. */
export function checkedState(state, facts) {
  const among = (name, known) => {
    if (!known.includes(state[name])) state[name] = DEFAULTS[name];
  };
  for (const [name, [least, most, isWhole]] of Object.entries(RANGES)) {
    const value = isWhole ? Math.round(state[name]) : state[name];
    state[name] = Math.max(least, Math.min(most, value));
  }
  among("view", ["network", "descent", "gan"]);
  among("set", [...facts.sets, "own"]);
  among("loss", facts.losses);
  among("optimizer", facts.optimizers);
  among("lines", ["weights", "gradients"]);
  among("surface", facts.surfaces);
  among("gan", facts.targets);
  const features = namesIn(state.features).filter((name) => facts.features.includes(name));
  state.features = features.join(",") || DEFAULTS.features;
  const widths = widthsOf(state).slice(0, facts.depth);
  state.layers = widths.map((n) => Math.max(1, Math.min(facts.width, n))).join(",");
  const known = namesIn(state.activation).filter((name) => facts.activations.includes(name));
  state.activation = known.join(",") || DEFAULTS.activation;
  return state;
}

/** Names between commas. */
export function namesIn(text) {
  return text.split(",").filter(Boolean);
}

/** The number of neurons of each hidden layer. */
export function widthsOf(state) {
  return namesIn(state.layers).map((text) => Math.round(Number(text)) || 1);
}

/** The activation of each of the layers that there could be; the last name goes on. */
export function activationsOf(state, facts) {
  const names = namesIn(state.activation);
  return Array.from({ length: facts.depth }, (_, i) => names[Math.min(i, names.length - 1)]);
}

/** What kind the data is: `class` of points, `value` of points, or `curve`. */
export function kindOf(state, facts) {
  if (state.set === "own") return "class";
  const place = facts.sets.indexOf(state.set);
  if (place < facts.classes) return "class";
  return place < facts.classes + facts.planes ? "value" : "curve";
}

/** The losses that suit a kind of data. */
export function lossesFor(kind) {
  return kind === "class"
    ? ["cross_entropy", "hinge", "squared"]
    : ["squared", "absolute", "huber"];
}

/** The settings of the network as arrays by path, as its programs take them. */
export function networkSettings(state, facts) {
  const widths = widthsOf(state);
  const chosen = namesIn(state.features);
  const neurons = new Float32Array(facts.depth * facts.width);
  widths.forEach((n, i) => neurons.fill(1, i * facts.width, i * facts.width + n));
  return {
    "settings/features": facts.features.map((name) => (chosen.includes(name) ? 1 : 0)),
    "settings/layers": Array.from({ length: facts.depth }, (_, i) => (i < widths.length ? 1 : 0)),
    "settings/neurons": neurons,
    "settings/activation": activationsOf(state, facts).map((n) => facts.activations.indexOf(n)),
    "settings/loss": facts.losses.indexOf(state.loss),
    "settings/dropout": state.dropout,
    "settings/l1": state.l1,
  };
}

/** The settings of the optimizer as numbers by path. */
export function optimizerSettings(state, facts) {
  return {
    "hyper/optimizer": facts.optimizers.indexOf(state.optimizer),
    "hyper/learning_rate": state.rate,
    "hyper/momentum": state.momentum,
    "hyper/decay": state.decay,
  };
}
