// All numbers of the answer, so that each can be looked at and leads to what it is made of.

import { element } from "../../scripts/elements.js";
import { ValueFigure } from "./figure.js";
import { cellOf } from "./layout.js";

/** What the address calls an answer, so that no captured value has its name. */
export const ANSWER = "answer ";

/** The figures of the answers, which a node shows at will. */
export class AnswerNumbers {
  constructor(page) {
    this.page = page;
    this.figures = page.lab.answers.map((value) => new ValueFigure(page, value, value.path));
    const figures = this.figures.map((figure) => figure.node);
    const text = element("summary", {}, "All numbers of the answer");
    this.node = element("details", { ontoggle: () => page.show() }, text, ...figures);
  }

  update(answers) {
    this.figures.forEach((figure, i) => figure.update(answers[i]));
  }

  /** Look at a number of an answer, which is the only one, or that of a path, at a place. */
  choose(place, path = this.page.lab.answers[0].path) {
    const figure = this.figures.find(({ value }) => value.path === path);
    figure.choose(place.stack ?? 0);
    this.page.select(figure, cellOf(figure.value, place));
  }
}

/** The place of an element of a value by its number, as `cellOf` takes it. */
export function placeOfElement({ axes, shape }, number) {
  const place = { stack: 0 };
  let rest = number;
  for (let axis = axes.length - 1; axis >= 0; axis--) {
    if (axes[axis] !== "stack") place[axes[axis]] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return place;
}
