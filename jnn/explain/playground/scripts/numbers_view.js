// Every number of one example: forwards to the loss, and backwards from it.

import { element, svgElement } from "../../scripts/elements.js";
import { fixed } from "../../scripts/numbers.js";
import { arithmetic } from "./arithmetic.js";
import { kindOf, namesIn, widthsOf } from "./state.js";

const COLUMN = 324;
const ROW = 136;
const BOX = [124, 92];

/** The numbers of backpropagation on the network, where it is small enough to read them. */
export class NumbersView {
  constructor(box, facts, change) {
    Object.assign(this, { box, facts, change });
    this.place = element("div");
    this.toggle = element("button", { id: "numbers-toggle", onclick: () => this.flip() });
    box.replaceChildren(this.toggle, this.place);
  }

  /** Shows or hides them. */
  flip() {
    this.change({ numbers: this.state.numbers ? 0 : 1 });
  }

  /** Shows a state. */
  show(state, trainer) {
    this.state = state;
    this.toggle.textContent = state.numbers
      ? "Hide the numbers"
      : "Show the numbers of one example";
    this.toggle.setAttribute("aria-expanded", String(Boolean(state.numbers)));
    if (!state.numbers || trainer.count === 0) {
      this.place.replaceChildren();
      return;
    }
    const example = Math.min(state.example, trainer.count - 1);
    const sizes = [namesIn(state.features).length, ...widthsOf(state), 1];
    if (Math.max(...sizes) > 3 || sizes.length > 4) {
      this.place.replaceChildren(this.tooLarge());
      return;
    }
    const found = trainer.backpropagate(example);
    const net = arithmetic(state, this.facts, trainer.params, found);
    const focused = document.activeElement?.id;
    this.place.replaceChildren(
      this.chooser(example, trainer.count, found, net),
      element(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Drawing of all numbers" },
        drawing(net),
      ),
      element("p", { class: "hint" }, LEGEND),
      element(
        "details",
        {},
        element("summary", { id: "in-words" }, "The same as equations"),
        element(
          "ol",
          { class: "equations" },
          ...net.equations.map((text) => element("li", {}, text)),
        ),
      ),
    );
    if (focused) document.getElementById(focused)?.focus();
  }

  /** What is said of a network with too many numbers. */
  tooLarge() {
    const shrink = () => this.change({ layers: "2", features: "x,y" });
    return element(
      "p",
      { class: "hint" },
      "A network of at most two layers of three neurons, and three inputs, has few enough numbers to read. ",
      element(
        "button",
        { id: "shrink", onclick: shrink },
        "Take two inputs, two neurons, one output",
      ),
    );
  }

  /** Which example it is, and buttons to others. */
  chooser(example, count, { x, y }, net) {
    const go = (by) => () => this.change({ example: (example + by + count) % count });
    const isCurve = kindOf(this.state, this.facts) === "curve";
    const place = `x = ${fixed(x[0])}${isCurve ? "" : `, y = ${fixed(x[1])}`}`;
    const what = `Training point ${example + 1} of ${count}: ${place}, `;
    return element(
      "div",
      { class: "buttons" },
      element("button", { id: "example-before", onclick: go(-1) }, "Previous example"),
      element("button", { id: "example-after", onclick: go(1) }, "Next example"),
      element("span", {}, `${what}target ${fixed(y[0])}. Loss L = ${fixed(net.loss, 4)}.`),
    );
  }
}

const LEGEND =
  "In each box: z is the weighted sum, h what the activation makes of it, and below them in " +
  "italics how the loss L changes with each. On each line: the weight, and how L changes with it. " +
  "A step of gradient descent subtracts the learning rate times the mean of the latter over a batch.";

/** The network with a number at each place. */
function drawing({ levels, edges }) {
  const [width, height] = BOX;
  const most = Math.max(...levels.map((level) => level.length));
  const tall = ROW * most;
  const wide = COLUMN * (levels.length - 1) + width + 8;
  const at = (level, i) => {
    const count = levels[level].length;
    return [4 + COLUMN * level, (tall * (i + 0.5)) / count - height / 2];
  };
  const lines = [];
  const words = [];
  for (const { level, i, j, weight, slope } of edges) {
    const [x0, y0] = at(level, i);
    const [x1, y1] = at(level + 1, j);
    const [left, right] = [x0 + width, x1];
    const [high, low] = [y0 + height / 2, y1 + height / 2];
    const kind = weight < 0 ? "negative" : "positive";
    lines.push(svgElement("path", { d: `M${left} ${high}L${right} ${low}`, class: kind }));
    const part = alongLine(i, j, levels[level].length, levels[level + 1].length);
    const [x, y] = [left + part * (right - left), high + part * (low - high)];
    words.push(
      svgElement("text", { x, y: y - 3, class: "weight" }, `w ${fixed(weight)}`),
      svgElement("text", { x, y: y + 10, class: "slope" }, `∂L/∂w ${fixed(slope, 3)}`),
    );
  }
  const boxes = levels.flatMap((level, k) =>
    level.map(({ name, rows }, i) => {
      const [x, y] = at(k, i);
      const texts = rows.map(([text, kind], r) =>
        svgElement("text", { x: x + 8, y: y + 32 + 15 * r, class: kind }, text),
      );
      return svgElement(
        "g",
        {},
        svgElement("rect", { x, y, width, height, rx: 8 }),
        svgElement("text", { x: x + 8, y: y + 15, class: "name" }, name),
        ...texts,
      );
    }),
  );
  return svgElement(
    "svg",
    {
      viewBox: `0 0 ${wide} ${tall}`,
      class: "passes",
      width: wide,
      role: "img",
      "aria-label": "The network with every number; the equations below say the same.",
    },
    ...lines,
    ...words,
    ...boxes,
  );
}

/** How far along its line the words of a weight stand, so that those of lines that cross do not. */
function alongLine(i, j, before, after) {
  if (i === j || before === 1 || after === 1) return 0.5;
  return i < j ? 0.3 : 0.7;
}
