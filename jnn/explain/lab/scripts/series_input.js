// A series as input: lines over time, of which one is drawn with the pointer.

import { css, isDark, signedColour } from "../../scripts/colours.js";
import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";

const HEIGHT = 150;
const MARGIN = 8;

/** The columns of a series; the chosen one is in colour, and follows the pointer. */
export class SeriesInput {
  constructor(page, node) {
    this.page = page;
    const { leaves, scaling, columns } = page.lab.input;
    [this.T, this.D] = leaves[0].shape;
    this.scaling = scaling;
    this.column = 0;
    this.canvas = element("canvas", {
      class: "pen",
      role: "img",
      "aria-label": "the series; draw the chosen column with the pointer",
      onpointerdown: (event) => this.draw(event),
      onpointermove: (event) => event.buttons && this.draw(event),
    });
    const names = Array.from({ length: this.D }, (_, i) => columns[i] ?? `column ${i + 1}`);
    const options = names.map((name, i) => element("option", { value: i }, name));
    const choose = (event) => {
      this.column = Number(event.target.value);
      this.update();
    };
    const picker = element("select", { onchange: choose, "aria-label": "column" }, ...options);
    this.range = element("p", { class: "quiet" });
    node.append(element("div", { class: "canvas" }, this.canvas), this.range);
    if (this.D > 1) node.append(element("p", {}, picker));
  }

  ends() {
    const [x] = this.page.inputs;
    const own = Array.from({ length: this.T }, (_, t) => x[t * this.D + this.column]);
    return [Math.min(-2, ...own), Math.max(2, ...own)];
  }

  update() {
    const width = this.canvas.parentElement.clientWidth - 2;
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.canvas.width = width * ratio;
    this.canvas.height = HEIGHT * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${HEIGHT}px`;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const dark = isDark();
    const others = Array.from({ length: this.D }, (_, d) => d).filter((d) => d !== this.column);
    for (const d of others) this.line(context, d, dark ? "#3a414d" : "#d5d9e0");
    context.lineWidth = 2;
    this.line(context, this.column, css(signedColour(0.9, dark)));
    const unit = (x) =>
      short(
        this.scaling ? x * this.scaling.deviation[this.column] + this.scaling.mean[this.column] : x,
      );
    const [low, high] = this.ends();
    this.range.textContent = `from ${unit(low)} to ${unit(high)}; draw the line with the pointer`;
  }

  line(context, d, colour) {
    const [low, high] = this.ends();
    const [x] = this.page.inputs;
    context.strokeStyle = colour;
    context.beginPath();
    for (let t = 0; t < this.T; t++) {
      const share = (x[t * this.D + d] - low) / (high - low);
      const place = [
        (t / Math.max(1, this.T - 1)) * this.canvas.clientWidth,
        HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN),
      ];
      if (t) context.lineTo(...place);
      else context.moveTo(...place);
    }
    context.stroke();
  }

  draw(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const t = Math.round(((event.clientX - left) / width) * (this.T - 1));
    if (t < 0 || t >= this.T) return;
    const [low, high] = this.ends();
    const share = (HEIGHT - MARGIN - (event.clientY - top)) / (HEIGHT - 2 * MARGIN);
    this.page.inputs[0][t * this.D + this.column] =
      low + Math.min(1, Math.max(0, share)) * (high - low);
    this.page.changed();
  }
}
