// A picture as input: an example, or what the pointer draws.

import { element } from "../../scripts/elements.js";

const SIDE = 224;
const BRUSH = 0.85;

/** Values from 0 to 1 of a picture, of one from -1 to 1 too. */
export function brightness(x) {
  return x.some((value) => value < -0.05) ? x.map((value) => (value + 1) / 2) : x;
}

/** Draw a picture of 1, 3 or 4 channels with values from 0 to 1 on a canvas, a pixel for each. */
export function paint(canvas, x, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const pixel = [0, 1, 2].map((c) => 255 * x[i * channels + (channels < 3 ? 0 : c)]);
    image.data.set(pixel, 4 * i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Put ink at a point, in pixels of the picture, within a radius. */
export function ink(x, [height, width, channels], column, row, radius) {
  const reach = Math.ceil(radius) + 1;
  for (let r = Math.max(0, Math.floor(row) - reach); r <= Math.min(height - 1, row + reach); r++) {
    for (
      let c = Math.max(0, Math.floor(column) - reach);
      c <= Math.min(width - 1, column + reach);
      c++
    ) {
      const away = Math.hypot(r + 0.5 - row, c + 0.5 - column);
      const amount = Math.min(1, Math.max(0, radius + 0.5 - away));
      for (let k = 0; k < channels; k++) {
        const i = (r * width + c) * channels + k;
        x[i] = Math.max(x[i], amount * BRUSH);
      }
    }
  }
}

/** The input of a picture, with the pointer as a pen. */
export class PictureInput {
  constructor(page, node) {
    this.page = page;
    this.shape = page.lab.input.leaves[0].shape;
    const [height, width] = this.shape;
    const scale = SIDE / Math.max(height, width);
    const style = `width:${Math.round(width * scale)}px;height:${Math.round(height * scale)}px`;
    this.canvas = element("canvas", {
      class: "pen",
      style,
      tabindex: "0",
      role: "img",
      "aria-label": "the input; draw on it with the pointer",
      onpointerdown: (event) => this.begin(event),
      onpointermove: (event) => event.buttons && this.stroke(event),
    });
    const clear = element("button", { type: "button", onclick: () => this.clear() }, "Clear");
    const hint = element("p", { class: "quiet" }, "Draw with the pointer, or choose an example. ");
    hint.append(clear);
    node.append(this.canvas, hint);
  }

  /** Show what the input is now. */
  update() {
    paint(this.canvas, this.page.inputs[0], this.shape);
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke(event);
  }

  stroke(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const column = ((event.clientX - left) / width) * this.shape[1];
    const row = ((event.clientY - top) / height) * this.shape[0];
    ink(this.page.inputs[0], this.shape, column, row, Math.max(0.55, this.shape[0] / 24));
    this.page.changed();
  }

  clear() {
    this.page.inputs[0].fill(0);
    this.page.changed();
  }
}

/** A small picture of an example. */
export function thumbnail(x, shape) {
  const canvas = element("canvas", { class: "thumbnail", "aria-hidden": "true" });
  paint(canvas, x, shape);
  return canvas;
}
