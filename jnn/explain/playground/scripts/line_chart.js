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

  /** Draws lines `{name, values, kind}`; `steps` has the step of each value, else it is its place. */
  draw(lines, unit, steps = null) {
    const finite = lines.flatMap(({ values }) => values.filter(Number.isFinite));
    if (!finite.length) {
      this.clear();
      return;
    }
    const top = niceTop(finite.reduce((most, value) => Math.max(most, value), 1e-6));
    const longest = Math.max(...lines.map(({ values }) => values.length));
    const last = steps ? Math.max(1, steps.at(-1)) : Math.max(1, longest);
    const x = (i) => LEFT + ((WIDTH - LEFT - 4) * (steps ? steps[i] : i)) / last;
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
      label(WIDTH - 4, HEIGHT - 4, "end", `${steps ? steps.at(-1) : longest} ${unit}`),
      ...lines.map(path),
    );
    const about = lines.map(({ name, values }) => `${name} ${short(values.at(-1) ?? NaN)}`);
    this.svg.setAttribute("aria-label", `Loss after ${last} ${unit}: ${about.join(", ")}`);
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
