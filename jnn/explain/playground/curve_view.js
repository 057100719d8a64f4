// The losses of training and test by step.

import { element, svgElement } from "../scripts/elements.js";
import { fixed, short } from "../scripts/numbers.js";

const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 34;
const BOTTOM = 18;

/** The curve of a history, with the latest numbers above it. */
export class CurveView {
  constructor(box) {
    this.legend = element("p", { class: "legend" });
    this.svg = svgElement("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "curve",
      role: "img",
    });
    box.replaceChildren(this.legend, this.svg);
  }

  /** Draws what a trainer has recorded; accuracy is said where there are classes. */
  draw(trainer, hasClasses) {
    const rows =
      trainer.history.at(-1) === trainer.latest
        ? trainer.history
        : [...trainer.history, trainer.latest];
    const { train, test } = trainer.latest;
    const right = (part) => (hasClasses ? ` (${fixed(100 * part.accuracy, 0)} % right)` : "");
    this.legend.replaceChildren(
      element("span", { class: "train" }, `training ${fixed(train.loss, 3)}${right(train)}`),
      element("span", { class: "test" }, `test ${fixed(test.loss, 3)}${right(test)}`),
    );
    const finite = rows.flatMap((row) => [row.train.loss, row.test.loss]).filter(Number.isFinite);
    const top = niceTop(Math.max(...finite, 1e-6));
    const last = Math.max(1, rows.at(-1).step);
    const x = (step) => LEFT + ((WIDTH - LEFT - 4) * step) / last;
    const y = (loss) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 8) * Math.min(1, loss / top);
    const path = (part) =>
      rows
        .filter((row) => Number.isFinite(row[part].loss))
        .map(
          (row, i) => `${i ? "L" : "M"}${x(row.step).toFixed(1)} ${y(row[part].loss).toFixed(1)}`,
        )
        .join("");
    this.svg.replaceChildren(
      svgElement("path", { class: "axis", d: `M${LEFT} 8V${y(0)}H${WIDTH - 4}` }),
      label(LEFT - 4, 14, "end", short(top)),
      label(LEFT - 4, y(0), "end", "0"),
      label(WIDTH - 4, HEIGHT - 4, "end", `${rows.at(-1).step} steps`),
      svgElement("path", { class: "test", d: path("test") }),
      svgElement("path", { class: "train", d: path("train") }),
    );
    const about = `Loss after ${rows.at(-1).step} steps: training ${fixed(train.loss, 3)}, test ${fixed(test.loss, 3)}`;
    this.svg.setAttribute("aria-label", about);
  }
}

/** Words in the picture. */
function label(x, y, anchor, words) {
  return svgElement("text", { x, y, "text-anchor": anchor }, words);
}

/** A round number that is not below a value. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value) ?? value;
}
