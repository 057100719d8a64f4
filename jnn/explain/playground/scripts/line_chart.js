// Lines over steps: losses, of one or more runs.

import { element, svgElement } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";

const WIDTH = 320;
const HEIGHT = 130;
const LEFT = 44;
const BOTTOM = 18;
const MOST_DRAWN = 300;

/** A chart in a box. */
export class LineChart {
  constructor(box) {
    this.svg = svgElement("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "curve",
      role: "img",
    });
    box.append(this.svg);
  }

  /** Draws nothing. */
  clear() {
    this.svg.replaceChildren();
    this.svg.setAttribute("aria-label", "No losses yet");
  }

  /** Draws lines `{name, values, kind}`; `steps` has the step of each value. */
  draw(lines, steps) {
    const drawn = lines.filter(({ values }) => values.some(Number.isFinite));
    if (!drawn.length) {
      this.clear();
      return;
    }
    const finite = drawn.flatMap(({ values }) => values.filter(Number.isFinite));
    const top = niceTop(finite.reduce((most, value) => Math.max(most, value), 1e-6));
    const last = steps.at(-1);
    const x = (i) => LEFT + ((WIDTH - LEFT - 4) * steps[i]) / Math.max(1, last);
    const y = (value) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 8) * Math.min(1, value / top);
    const path = ({ values, kind }) => {
      const every = Math.ceil(values.length / MOST_DRAWN);
      const points = values
        .map((value, i) => [value, i])
        .filter(
          ([value, i]) => Number.isFinite(value) && (i % every === 0 || i === values.length - 1),
        );
      const d = points.map(([value, i]) => `${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
      return svgElement("path", { class: kind, d: d && `M${d}` });
    };
    this.svg.replaceChildren(
      svgElement("path", { class: "axis", d: `M${LEFT} 8V${y(0)}H${WIDTH - 4}` }),
      label(LEFT - 4, 14, "end", short(top)),
      label(LEFT - 4, y(0), "end", "0"),
      label(WIDTH - 4, HEIGHT - 4, "end", `${last} steps`),
      ...drawn.map(path),
    );
    const about = drawn.map(({ name, values }) => `${name} ${short(values.at(-1))}`);
    this.svg.setAttribute("aria-label", `Loss after ${last} steps: ${about.join(", ")}`);
  }
}

/** The names of lines with words, each in the colour of its line. */
export function lineLegend(lines) {
  const items = lines.map(({ kind, words }) => element("span", { class: kind }, words));
  return element("p", { class: "legend" }, ...items);
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
