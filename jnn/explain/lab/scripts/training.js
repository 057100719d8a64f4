// Through training: the params of earlier steps, and the curves of the losses.

import { isDark } from "../../scripts/colours.js";
import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";

const CURVE_HEIGHT = 90;
// train in blue and validation in orange, as in a report
const CURVE_COLOURS = {
  light: ["#0062a0", "#c85400"],
  dark: ["#48a0de", "#f08a38"],
};

const quantityOf = (name) => name.split("/").at(-1);

/** The least and the largest value of a quantity, over all parts of the data that have it. */
export function rangeOf(name, curves) {
  const alike = curves.filter(([other]) => quantityOf(other) === quantityOf(name));
  const values = alike.flatMap(([, points]) => points.map(([, value]) => value));
  return [Math.min(...values), Math.max(...values)];
}

/** A slider over the moments of the run; the last place has the params that were kept. */
export class Training {
  constructor(page, node) {
    this.page = page;
    const { moments, curves, curveNames } = page.lab;
    node.hidden = !moments.length;
    this.node = node;
    this.last = moments.length;
    this.canvas = element("canvas", { role: "img", "aria-label": "the losses over the steps" });
    const slide = (event) => this.go(Number(event.target.value));
    const range = { id: "moment", type: "range", min: 0, max: this.last, step: 1 };
    this.slider = element("input", { ...range, value: this.last, oninput: slide });
    this.text = element("output", { for: "moment" });
    const names = Object.keys(curves).map((name, i) => {
      return element("span", { class: `curve-${i}` }, `${curveNames[name]} `);
    });
    const quantities = new Set(Object.keys(curves).map(quantityOf));
    node.append(
      element("h2", {}, "Through training"),
      element(
        "p",
        { class: "quiet" },
        "The same input with the params of earlier steps. ",
        ...names,
        quantities.size > 1 ? "(each on its own scale)" : "",
      ),
      element("div", { class: "canvas" }, this.canvas),
      element("label", { for: "moment" }, this.text),
      this.slider,
    );
  }

  /** Take the params of a moment. */
  go(moment) {
    this.page.model.at(moment < this.last ? moment : -1);
    this.page.state.moment = moment < this.last ? moment : -1;
    this.slider.value = moment;
    this.page.changed(true);
  }

  /** The step that is shown; Infinity for the params that were kept. */
  get step() {
    const { moment } = this.page.state;
    return moment < 0 ? Infinity : this.page.lab.moments[moment].step;
  }

  update() {
    if (this.node.hidden) return;
    const { step } = this;
    const losses = Object.entries(this.page.lab.curves).map(([name, points]) => {
      const near = points.findLast(([at]) => at <= step);
      return near ? `, ${this.page.lab.curveNames[name]} ${short(near[1])}` : "";
    });
    const isKept = step === Infinity;
    this.text.textContent = isKept
      ? "the params that the run kept"
      : `step ${step}${losses.join("")}`;
    this.draw(step);
  }

  draw(step) {
    const width = this.canvas.parentElement.clientWidth;
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.canvas.width = width * ratio;
    this.canvas.height = CURVE_HEIGHT * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${CURVE_HEIGHT}px`;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const curves = Object.entries(this.page.lab.curves);
    const all = curves.flatMap(([, points]) => points);
    if (!all.length) return;
    const most = Math.max(...all.map(([at]) => at));
    const x = (at) => (at / most) * (width - 4) + 2;
    curves.forEach(([name, points], i) => {
      const [low, high] = rangeOf(name, curves);
      const y = (value) =>
        CURVE_HEIGHT - 6 - ((value - low) / (high - low || 1)) * (CURVE_HEIGHT - 12);
      const colour = CURVE_COLOURS[isDark() ? "dark" : "light"][i % 2];
      Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: 1.5 });
      if (points.length === 1) context.fillRect(x(points[0][0]) - 4, y(points[0][1]) - 2, 4, 4);
      context.beginPath();
      points.forEach(([at, value], k) => context[k ? "lineTo" : "moveTo"](x(at), y(value)));
      context.stroke();
    });
    context.fillStyle = isDark() ? "#e7e9ee" : "#1f2430";
    if (step !== Infinity) context.fillRect(x(step) - 0.75, 0, 1.5, CURVE_HEIGHT);
  }
}
