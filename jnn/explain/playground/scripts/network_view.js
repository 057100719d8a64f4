// The network: what each neuron sees, in a picture of its own, and weights as lines.

import { isDark } from "../../scripts/colours.js";
import { byId, element, svgElement } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { drawHeatmap } from "./heatmap.js";
import { activationsOf, namesIn, widthsOf } from "./state.js";

const WIDEST = 6;

/** The drawing of the network; `change(name, value)` is called with what the reader sets. */
export class NetworkView {
  constructor(facts, change, point) {
    Object.assign(this, { facts, change, point });
    this.box = byId("neurons");
    new ResizeObserver(() => this.place()).observe(this.box);
  }

  /** Makes the elements for a state. */
  build(state) {
    const focused = document.activeElement?.id;
    this.widths = widthsOf(state);
    this.what = state.lines;
    this.chosen = namesIn(state.features);
    this.lines = [];
    this.svg = svgElement("svg", { class: "lines", "aria-hidden": "true" });
    const features = this.facts.features.map((name) => this.feature(name));
    this.canvases = [features.map((button) => button.firstChild)];
    const columns = [this.column("Input", features, null)];
    const activations = activationsOf(state, this.facts);
    this.widths.forEach((n, layer) => {
      const neurons = Array.from({ length: n }, (_, i) => this.neuron(layer, i));
      this.canvases.push(neurons.map((button) => button.firstChild));
      columns.push(this.column(`Layer ${layer + 1}`, neurons, this.head(layer, n, activations)));
    });
    this.out = element("span", { class: "out", title: "the output" });
    columns.push(this.column("Output", [this.out], null));
    this.box.replaceChildren(this.svg, ...columns);
    this.buildLayers();
    if (focused) byId(focused)?.focus();
    this.place();
  }

  /** The buttons that add a layer and take one away. */
  buildLayers() {
    const { widths } = this;
    const set = (layers) => () => this.change({ layers: layers.join(",") });
    const fewer = { id: "fewer-layers", disabled: widths.length === 0 };
    const more = { id: "more-layers", disabled: widths.length >= this.facts.depth };
    const choose = (event) => this.change({ lines: event.target.value });
    const options = ["weights", "gradients"].map((name) =>
      element("option", { value: name, selected: name === this.what }, name),
    );
    const count = widths.length === 1 ? "1 hidden layer" : `${widths.length} hidden layers`;
    byId("network-controls").replaceChildren(
      element(
        "button",
        { ...fewer, "aria-label": "One layer fewer", onclick: set(widths.slice(0, -1)) },
        "−",
      ),
      element("span", {}, count),
      element(
        "button",
        { ...more, "aria-label": "One layer more", onclick: set([...widths, 2]) },
        "+",
      ),
      element(
        "div",
        { class: "inline" },
        element("label", { for: "lines" }, "Lines show"),
        element("select", { id: "lines", onchange: choose }, ...options),
      ),
    );
  }

  /** A column of the drawing: its name, its settings, and what is in it. */
  column(name, items, head) {
    const title = element("div", { class: "name" }, name);
    const top = element("div", { class: "head" }, title, ...(head ?? []));
    const stack = element("div", { class: "stack" }, ...items);
    return element("div", { class: "column", role: "group", "aria-label": name }, top, stack);
  }

  /** The settings of a layer: fewer and more neurons, and its activation. */
  head(layer, n, activations) {
    const resize = (change) => () => {
      const widths = this.widths.with(layer, n + change);
      this.change({ layers: widths.filter((width) => width > 0).join(",") });
    };
    const button = (id, sign, label, change, disabled) =>
      element("button", { id, "aria-label": label, disabled, onclick: resize(change) }, sign);
    const activate = (event) => {
      const names = activations.slice(0, this.widths.length).with(layer, event.target.value);
      this.change({ activation: new Set(names).size === 1 ? names[0] : names.join(",") });
    };
    const options = this.facts.activations.map((name) =>
      element("option", { value: name, selected: name === activations[layer] }, name),
    );
    const where = `in layer ${layer + 1}`;
    return [
      element(
        "div",
        { class: "count" },
        button(`fewer-${layer}`, "−", `One neuron fewer ${where}`, -1, false),
        element("span", {}, String(n)),
        button(`more-${layer}`, "+", `One neuron more ${where}`, 1, n >= this.facts.width),
      ),
      element(
        "select",
        { id: `activation-${layer}`, "aria-label": `Activation ${where}`, onchange: activate },
        ...options,
      ),
    ];
  }

  /** An input, which is on or off. */
  feature(name) {
    const isOn = this.chosen.includes(name);
    const toggle = () => {
      const rest = this.facts.features.filter((other) =>
        other === name ? !isOn : this.chosen.includes(other),
      );
      if (rest.length > 0) this.change({ features: rest.join(",") });
    };
    const attributes = {
      class: "unit feature",
      "aria-pressed": String(isOn),
      id: `feature-${name}`,
    };
    const canvas = element("canvas", { "aria-hidden": "true" });
    const label = element("span", {}, name);
    const place = this.facts.features.indexOf(name);
    return element(
      "button",
      { ...attributes, title: `the input ${name}`, onclick: toggle, ...this.pointing(0, place) },
      canvas,
      label,
    );
  }

  /** A neuron, which is shown large while it is pointed at. */
  neuron(layer, i) {
    const label = `Neuron ${i + 1} of layer ${layer + 1}`;
    const id = `neuron-${layer}-${i}`;
    const canvas = element("canvas", { "aria-hidden": "true" });
    const attributes = { class: "unit", id, "aria-label": `${label}: show what it sees` };
    return element(
      "button",
      { ...attributes, title: label, ...this.pointing(layer + 1, i) },
      canvas,
    );
  }

  /** Listeners that show a unit large. */
  pointing(level, i) {
    const show = () => this.point({ level, i });
    const hide = () => this.point(null);
    return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide };
  }

  /** Lays the lines of weights from unit to unit. */
  place() {
    if (!this.svg?.isConnected) return;
    const frame = this.box.getBoundingClientRect();
    this.svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const ends = (node) => {
      const box = node.getBoundingClientRect();
      const y = box.top + box.height / 2 - frame.top;
      return { left: box.left - frame.left, right: box.right - frame.left, y };
    };
    const units = [...this.canvases.map((column) => column.map(ends)), [ends(this.out)]];
    this.lines = [];
    const drawn = [];
    for (let level = 0; level + 1 < units.length; level++) {
      units[level].forEach((from, i) => {
        if (level === 0 && !this.chosen.includes(this.facts.features[i])) return;
        units[level + 1].forEach((to, j) => {
          const bend = (to.left - from.right) / 2;
          const curve = `C ${from.right + bend} ${from.y} ${to.left - bend} ${to.y} ${to.left} ${to.y}`;
          const path = svgElement("path", { d: `M ${from.right} ${from.y} ${curve}` });
          path.append(svgElement("title"));
          this.lines.push({ path, level, i, j });
          drawn.push(path);
        });
      });
    }
    this.svg.replaceChildren(...drawn);
    if (this.values) this.weigh(this.values);
  }

  /** Gives each line the width and the colour of its weight, or of its gradient. */
  weigh(values) {
    this.values = values;
    const depth = this.widths.length;
    const numbers = this.lines.map(({ level, i, j }) =>
      weightOf(values, depth, level, i, j, this.facts.width),
    );
    const isWeight = this.what === "weights";
    const most = numbers.reduce((size, number) => Math.max(size, Math.abs(number)), 1e-12);
    const factor = isWeight ? 1.6 : (WIDEST - 0.4) / most;
    this.lines.forEach(({ path }, k) => {
      const width = Math.min(WIDEST, 0.4 + factor * Math.abs(numbers[k]));
      path.setAttribute("class", numbers[k] < 0 ? "negative" : "positive");
      path.setAttribute("stroke-width", width.toFixed(2));
      path.firstChild.textContent = `${isWeight ? "weight" : "gradient"} ${short(numbers[k])}`;
    });
  }

  /** Draws what each unit sees: `neurons` is (levels, points, units). */
  draw(neurons, activations) {
    const { grid, width } = this.facts;
    const dark = isDark();
    this.canvases.forEach((column, level) => {
      column.forEach((canvas, i) => {
        const scale = level === 0 ? 3 : scaleOf(activations[level - 1]);
        const start = level * grid * grid * width + i;
        drawHeatmap(canvas, grid, (k) => neurons[start + k * width] / scale, dark);
      });
    });
  }
}

/** The largest value that a picture of a neuron shows in full colour. */
export function scaleOf(activation) {
  return ["tanh", "sigmoid"].includes(activation) ? 1 : 2;
}

/** The weight from unit i of a level to unit j of the next, the last of which is the output. */
export function weightOf(params, depth, level, i, j, width) {
  if (level === depth) return params["out/kernel"][i];
  return params[`hidden${level}/kernel`][i * width + j];
}
