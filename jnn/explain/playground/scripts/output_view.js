// What the network gives: a surface over the plane, or a curve, with the data.

import { css, isDark, signedColour } from "../../scripts/colours.js";
import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { drawHeatmap } from "./heatmap.js";

const SIZE = 640;
/** The surface is paler than the points on it. */
const FAINT = 0.7;

/** The large picture; `press(x, y)` is called with the place where the reader presses it. */
export class OutputView {
  constructor(box, facts, press) {
    this.facts = facts;
    this.surface = element("canvas");
    this.points = element("canvas", { width: SIZE, height: SIZE, class: "points", role: "img" });
    this.points.addEventListener("pointerdown", (event) => {
      const frame = this.points.getBoundingClientRect();
      const across = (2 * (event.clientX - frame.left)) / frame.width - 1;
      const down = (2 * (event.clientY - frame.top)) / frame.height - 1;
      press(facts.edge * across, -facts.edge * down);
    });
    this.caption = element("p", { class: "hint" });
    this.frame = element("div", { class: "picture" }, this.points);
    box.replaceChildren(this.frame, this.caption);
  }

  /** Draws a surface, `value(i)` for each point of the grid, with training and test points. */
  drawPlane(value, trainer, text, marked) {
    const dark = isDark();
    drawHeatmap(
      this.surface,
      this.facts.grid,
      (i) => FAINT * Math.max(-1, Math.min(1, value(i))),
      dark,
    );
    const context = this.begun();
    this.scatter(context, trainer.test, (y) => ring(y, dark), 5);
    this.scatter(context, trainer.train, (y) => disc(y, dark), 8);
    if (marked !== null) this.mark(context, trainer.train.x, marked, dark);
    this.name(text);
  }

  /** Draws a circle about the point whose numbers are shown. */
  mark(context, x, i, dark) {
    context.beginPath();
    context.arc(this.across(x[2 * i]), this.across(-x[2 * i + 1]), 18, 0, 7);
    Object.assign(context, { strokeStyle: dark ? "#ffffff" : "#000000", lineWidth: 4 });
    context.stroke();
  }

  /** Draws the points of one part of the data. */
  scatter(context, { x, y, weight }, style, radius) {
    for (let i = 0; i < weight.length; i++) {
      if (weight[i] === 0) continue;
      context.beginPath();
      context.arc(this.across(x[2 * i]), this.across(-x[2 * i + 1]), radius, 0, 7);
      Object.assign(context, style(y[i]));
      context.fill();
      context.stroke();
    }
  }

  /** Draws a function of x, `value(i)` for each column of the grid, with the data. */
  drawCurve(value, trainer, text) {
    const dark = isDark();
    const { grid } = this.facts;
    drawHeatmap(this.surface, grid, () => 0, dark);
    const context = this.begun();
    this.scale(context, dark);
    const flat = (part) => ({ ...part, x: part.x.map((x, i) => (i % 2 ? -flatY(part.y, i) : x)) });
    const flatY = (y, i) => -(y[(i - 1) / 2] / 1.5) * this.facts.edge;
    this.scatter(context, flat(trainer.test), () => ring(-1, dark), 5);
    this.scatter(context, flat(trainer.train), () => disc(-1, dark), 8);
    Object.assign(context, { strokeStyle: css(signedColour(1, dark)), lineWidth: 6 });
    const columns = Array.from({ length: grid }, (_, i) => ((i + 0.5) / grid) * SIZE);
    this.line(context, columns, (i) => fromTop(value(i)));
    this.name(text);
  }

  /** Draws lines at some heights with their numbers, and what x is at both sides. */
  scale(context, dark) {
    Object.assign(context, {
      strokeStyle: css(dark ? [90, 95, 106] : [200, 198, 192]),
      fillStyle: css(dark ? [163, 171, 186] : [91, 100, 117]),
      font: "24px system-ui, sans-serif",
      textAlign: "left",
    });
    for (const y of [-1, 0, 1]) {
      context.lineWidth = y ? 1 : 2;
      this.line(context, [0, SIZE], () => fromTop(y));
      context.fillText(short(y), 8, fromTop(y) - 8);
    }
    const { edge } = this.facts;
    context.fillText(`x = ${short(-edge)}`, 8, SIZE - 10);
    context.textAlign = "right";
    context.fillText(`x = ${short(edge)}`, SIZE - 8, SIZE - 10);
  }

  /** A line through places across, at `high(i)`. */
  line(context, places, high) {
    context.beginPath();
    places.forEach((place, i) => context.lineTo(place, high(i)));
    context.stroke();
  }

  /** The picture of the points, as yet of the surface alone. */
  begun() {
    const context = this.points.getContext("2d");
    context.drawImage(this.surface, 0, 0, SIZE, SIZE);
    return context;
  }

  /** Where a coordinate of the plane is in the picture. */
  across(x) {
    return (SIZE / 2) * (1 + x / this.facts.edge);
  }

  /** Says what the picture shows. */
  name(text) {
    if (this.caption.textContent === text) return;
    this.caption.textContent = text;
    this.points.setAttribute("aria-label", text);
  }
}

/** How far down a value of a function of x is in the picture. */
function fromTop(y) {
  return SIZE * (0.5 - y / 3);
}

/** How a training point looks. */
function disc(y, dark) {
  const strokeStyle = dark ? "#15171c" : "#ffffff";
  return { fillStyle: css(signedColour(y, dark)), strokeStyle, lineWidth: 2.5 };
}

/** How a test point looks: hollow. */
function ring(y, dark) {
  return { fillStyle: "transparent", strokeStyle: css(signedColour(y, dark), 0.75), lineWidth: 2 };
}
