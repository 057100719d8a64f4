// What a reader can set about gradient descent on a surface.

import { numbersFor, select, slider } from "./control.js";

const SURFACE_NAMES = {
  bowl: "a round bowl",
  valley: "a narrow valley",
  two: "two minima",
  saddle: "a saddle",
  plateau: "a plateau with a hole",
  neuron: "one neuron: weight a, bias b",
};
const DESCENT_RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1, 1.1, 3];

/** The controls of surface, start and steps. */
export function descentControls(state, facts) {
  return [
    select(
      "surface",
      "Loss surface",
      facts.surfaces.map((name) => [name, SURFACE_NAMES[name]]),
    ),
    select("rate", "Learning rate", numbersFor(DESCENT_RATES, state.rate)),
    slider("push", "Momentum", 0, 0.99, 0.01),
    slider("jitter", "Noise of the gradient", 0, 1, 0.05),
    slider("a", "Start: a", -3, 3, 0.1),
    slider("b", "Start: b", -3, 3, 0.1),
    slider("seed", "Seed", 0, 20, 1),
  ];
}
