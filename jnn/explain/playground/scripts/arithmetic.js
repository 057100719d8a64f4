// The numbers of one example, by unit and by weight, and as equations.

import { fixed } from "../../scripts/numbers.js";
import { activationsOf, namesIn, widthsOf } from "./state.js";

/** What there is to show of a small network: its levels of units, its edges, and equations. */
export function arithmetic(state, facts, params, found) {
  const chosen = namesIn(state.features).map((name) => facts.features.indexOf(name));
  const widths = widthsOf(state);
  const activations = activationsOf(state, facts);
  const { width } = facts;
  const input = chosen.map((i) => ({
    name: facts.features[i],
    i,
    value: found["values/features"][i],
  }));
  const levels = [
    input.map(({ name, value }) => ({ name, value, rows: [[fixed(value), "value"]] })),
  ];
  const edges = [];
  const equations = [];
  const backwards = [];
  let before = input.map(({ name, i, value }) => ({ name, i, value }));
  const connect = (level, after, kernel, bias, slopes, biasSlopes, column) => {
    after.forEach((unit) => {
      before.forEach(({ i, name }, place) => {
        const at = column(i, unit.i);
        edges.push({ level, i: place, j: unit.place, weight: kernel[at], slope: slopes[at] });
        const [of, by] = [fixed(unit.slopeOfSum, 3), fixed(before[place].value)];
        const product = `∂L/∂w = ∂L/∂${unit.sum} · ${name} = ${of} · ${by} = ${fixed(slopes[at], 3)}`;
        backwards.push(`The weight from ${name} to ${unit.name}: ${product}`);
      });
      const terms = before.map(
        ({ i, value }) => `${fixed(kernel[column(i, unit.i)])} · ${fixed(value)}`,
      );
      const sum = [...terms, fixed(bias[unit.i])].join(" + ").replaceAll("+ −", "− ");
      equations.push(`${unit.sum} = ${sum} = ${fixed(unit.before)}`);
      backwards.push(
        `The bias of ${unit.name}: ∂L/∂b = ∂L/∂${unit.sum} = ${fixed(biasSlopes[unit.i], 3)}`,
      );
    });
  };
  widths.forEach((n, layer) => {
    const path = `hidden${layer}`;
    const take = (kind, moment, i) => found[`${kind}/${path}/${moment}`][i];
    const sign = widths.length > 1 ? String(layer + 1) : "";
    const units = Array.from({ length: n }, (_, i) => ({
      i,
      place: i,
      name: `h${subscript(sign, i)}`,
      sum: `z${subscript(sign, i)}`,
      before: take("values", "before", i),
      value: take("values", "after", i),
      slopeOfSum: take("gradients", "before", i),
      slope: take("gradients", "after", i),
    }));
    levels.push(units.map(boxOf));
    connect(
      layer,
      units,
      params[`${path}/kernel`],
      params[`${path}/bias`],
      found[`slopes/${path}/kernel`],
      found[`slopes/${path}/bias`],
      (i, j) => i * width + j,
    );
    for (const unit of units) {
      equations.push(
        `${unit.name} = ${activations[layer]}(${fixed(unit.before)}) = ${fixed(unit.value)}`,
      );
    }
    before = units;
  });
  const z = found["values/output"][0];
  const slope = found["gradients/output"][0];
  const last = { i: 0, place: 0, name: "the output", sum: "z", before: z, slopeOfSum: slope };
  const rows = [
    [`z ${fixed(z)}`, "value"],
    [`L ${fixed(found.loss[0], 3)}`, "value"],
    [`∂L/∂z ${fixed(slope, 3)}`, "slope"],
  ];
  levels.push([{ name: "output", value: z, rows }]);
  connect(
    widths.length,
    [last],
    params["out/kernel"],
    params["out/bias"],
    found["slopes/out/kernel"],
    found["slopes/out/bias"],
    (i) => i,
  );
  equations.push(`L = ${lossText(state.loss, z, found.y[0])} = ${fixed(found.loss[0], 4)}`);
  return {
    levels,
    edges,
    loss: found.loss[0],
    equations: [...equations, ...backwards.toReversed()],
  };
}

/** The box of a hidden unit. */
function boxOf({ name, before, value, slopeOfSum, slope }) {
  return {
    name,
    value,
    rows: [
      [`z ${fixed(before)}  h ${fixed(value)}`, "value"],
      [`∂L/∂h ${fixed(slope, 3)}`, "slope"],
      [`∂L/∂z ${fixed(slopeOfSum, 3)}`, "slope"],
    ],
  };
}

/** The index of a unit: its number, after that of its layer where there are more layers. */
function subscript(layer, i) {
  const digits = "₀₁₂₃₄₅₆₇₈₉";
  return [...`${layer}${i + 1}`].map((digit) => digits[Number(digit)]).join("");
}

/** A loss with its numbers. */
function lossText(loss, z, y) {
  const [a, b] = [fixed(z), fixed(y)];
  return {
    cross_entropy: `ln(1 + exp(${y > 0 ? `−(${a})` : a}))`,
    hinge: `max(0, 1 − (${b}) · (${a}))`,
    squared: `(${a} − (${b}))²`,
    absolute: `|${a} − (${b})|`,
    huber: `Huber(${a} − (${b}))`,
  }[loss];
}
