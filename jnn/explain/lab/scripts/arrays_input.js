// Several arrays as input: noise is drawn anew, whole numbers are chosen, others are shown.

import { element } from "../../scripts/elements.js";
import { layout } from "./layout.js";
import { draw } from "./picture.js";
import { brightness, paint } from "./picture_input.js";

const PICTURE = "width:100%;max-width:224px;height:auto";

/** A number from the normal distribution (Box and Muller 1958). */
export function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function fillNormal(array) {
  for (let i = 0; i < array.length; i++) array[i] = normal();
}

/** What lies between two arrays of normal numbers at a share of the way, which is normal too. */
export function between(a, b, share) {
  const angle = (share * Math.PI) / 2;
  return a.map((x, i) => Math.cos(angle) * x + Math.sin(angle) * b[i]);
}

/** An array of noise: drawn anew, or between the one that is drawn and another one. */
class Noise {
  constructor(page, place) {
    Object.assign(this, { page, place });
    const again = () => {
      this.draw();
      page.changed();
    };
    const move = () => {
      page.inputs[place].set(between(this.first, this.second, Number(this.slider.value)));
      page.changed();
    };
    const range = { type: "range", min: 0, max: 1, step: 0.02, value: 0, oninput: move };
    this.slider = element("input", range);
    const label = element(
      "label",
      { class: "control" },
      "From this noise to another one",
      this.slider,
    );
    const button = element("button", { type: "button", onclick: again }, "Draw noise");
    this.node = element("div", {}, button, label);
  }

  /** Draw the first noise, and the other one. */
  draw() {
    fillNormal(this.page.inputs[this.place]);
    this.restart();
  }

  /** Take the noise of now as the first one. */
  restart() {
    this.first = Float32Array.from(this.page.inputs[this.place]);
    this.second = this.first.map(normal);
    this.slider.value = 0;
  }
}

/** The name of the sequence that a mask is for; of one that is called "mask" the first as long. */
export function maskedName(path, leaves) {
  const own = leaves.find((leaf) => leaf.path === path);
  const like = leaves.find((leaf) => leaf !== own && leaf.shape[0] === own?.shape[0]);
  const name = path.split("/").at(-1) === "mask" ? (like?.path ?? path) : path;
  return name
    .split("/")
    .at(-1)
    .replace(/_mask$/, "");
}

/** An input of any arrays. */
export class ArraysInput {
  constructor(page, node) {
    this.page = page;
    this.parts = page.lab.input.leaves.map((leaf, i) => this.part(leaf, i));
    node.append(...this.parts.map((part) => part.node));
  }

  part({ path, shape, dtype, size }, i) {
    const title = element("b", {}, path || "x");
    if (size === 1) return this.single(title, i, dtype === "float32" ? 0.01 : 1);
    const canvas = element("canvas", {
      role: "img",
      "aria-label": `${path}: ${shape.join(" × ")}`,
    });
    const holder = element("div", { class: "canvas" }, canvas);
    const node = element("div", {}, title, ` ${shape.join(" × ")}`, holder);
    const noise = path.includes("noise") ? new Noise(this.page, i) : null;
    if (noise) node.append(noise.node);
    if (shape.length === 3 && (shape[2] === 1 || shape[2] === 3)) {
      canvas.setAttribute("style", PICTURE);
      return { node, noise, update: () => paint(canvas, brightness(this.page.inputs[i]), shape) };
    }
    const isSequence = shape.length === 2;
    const axes = isSequence ? ["time", "unit"] : shape.map(() => "axis");
    const value = { shape, axes, kind: isSequence ? "sequence" : "grid", follows: [] };
    const update = () =>
      draw(canvas, layout(value), this.page.inputs[i], { width: holder.clientWidth });
    return { node, noise, update };
  }

  /** A number that can be typed, in steps of so much. */
  single(title, i, step) {
    const change = (event) => {
      this.page.inputs[i][0] = Number(event.target.value);
      this.page.changed();
    };
    const input = element("input", { type: "number", min: 0, step, value: 0, oninput: change });
    const update = () => {
      const number = this.page.inputs[i][0];
      if (input !== document.activeElement) input.value = Number(number.toPrecision(4));
    };
    return { node: element("label", {}, title, input), update };
  }

  /** Draw the noise with which the page begins. */
  begin() {
    for (const { noise } of this.parts) noise?.draw();
  }

  /** Go on from the noise of an example, and from how much of its sequences is real. */
  take(example) {
    for (const { noise } of this.parts) noise?.restart();
    const real = Object.entries(example?.real ?? {});
    this.page.real = Object.fromEntries(
      real.map(([path, length]) => [maskedName(path, this.page.lab.input.leaves), length]),
    );
  }

  update() {
    for (const part of this.parts) part.update();
  }
}
