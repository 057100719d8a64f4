// Detected objects: boxes on the picture, and how sure the model is of each.

import { element, refill } from "../../scripts/elements.js";
import { fixed, short } from "../../scripts/numbers.js";
import { AnswerNumbers } from "./answer_numbers.js";
import { bars } from "./answers.js";
import { paint } from "./picture_input.js";

const WIDTH = 224;
const EDGES = ["left", "top", "right", "bottom"];

/** What a number of detected objects is, by the path of its array and its number there. */
export function ofObject(path, number) {
  if (path === "score") return `How sure the model is of object ${number + 1}`;
  if (path === "label") return `The class of object ${number + 1}`;
  return `The ${EDGES[number % 4]} edge of object ${Math.floor(number / 4) + 1}, in pixels`;
}

/** The part of the page with the boxes above a confidence, which a slider chooses. */
export class BoxesAnswer {
  constructor(page, node) {
    this.page = page;
    this.least = 0.3;
    this.canvas = element("canvas", { role: "img", "aria-label": "the detected boxes" });
    this.small = element("canvas");
    this.list = element("div", { "aria-live": "polite" });
    const shown = element("output", {}, short(this.least));
    const change = (event) => {
      this.least = Number(event.target.value);
      shown.textContent = short(this.least);
      this.page.show();
    };
    const range = { type: "range", min: 0.01, max: 0.99, step: 0.01, value: 0.3, oninput: change };
    const slider = element("input", { ...range, "aria-label": "least confidence" });
    const text = element("span", {}, "confidence of at least ", shown);
    this.numbers = new AnswerNumbers(page);
    const control = element("label", { class: "control" }, text, slider);
    node.append(this.canvas, control, this.list, this.numbers.node);
  }

  /** Show the boxes of the answer. */
  update(answers) {
    const named = Object.fromEntries(
      this.page.lab.answers.map(({ path }, i) => [path, answers[i]]),
    );
    const { shape } = this.page.lab.input.leaves[0];
    const scale = WIDTH / shape[1];
    paint(this.small, this.page.inputs[0], shape);
    this.canvas.width = WIDTH;
    this.canvas.height = Math.round(shape[0] * scale);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.small, 0, 0, this.canvas.width, this.canvas.height);
    const found = Array.from(named.score.keys()).filter((i) => named.score[i] >= this.least);
    context.font = "12px sans-serif";
    for (const i of found) {
      const [x0, y0, x1, y1] = [...named.box.subarray(4 * i, 4 * i + 4)].map((x) => x * scale);
      context.strokeStyle = "#f08a38";
      context.lineWidth = 2;
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      context.fillStyle = "#f08a38";
      context.fillText(this.name(named.label[i]), x0 + 2, y0 + 12);
    }
    const rows = found.map((i) => {
      const [name, share] = [this.name(named.label[i]), named.score[i]];
      const onclick = () => this.numbers.choose({ unit: i }, "score");
      return { name, share, text: fixed(share, 2), marked: false, onclick };
    });
    const none = element("p", { class: "quiet" }, "No box is that sure.");
    refill(this.list, rows.length ? bars(rows) : none);
    this.numbers.update(answers);
  }

  name(label) {
    return this.page.lab.classes[label] ?? `class ${label}`;
  }
}
