// What is known of the number that is looked at, and what can be changed there.

import { breakable, element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { isFloat } from "./arrays.js";
import { ofObject } from "./boxes_answer.js";
import { control, partInWords } from "./control.js";
import { gradientNodes } from "./gradient_view.js";
import { Making } from "./making.js";
import { shown } from "./making_view.js";
import { inWords, partOf, placeOf, stacks } from "./layout.js";
import { visible } from "./next_tokens.js";
import { Reader } from "./reader.js";

/** The part of the page about one number. */
export class Inspector {
  constructor(page, node) {
    this.page = page;
    this.node = node;
    this.about = element("div");
    this.changes = element("div");
    this.refresh = () => {};
    this.making = new Making(page);
    this.invite();
    node.append(this.about, this.changes);
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && page.selected) page.leave();
    });
  }

  /** Show the selected number; what is about it is made anew where another one is selected. */
  update() {
    const { selected, model } = this.page;
    this.node.classList.toggle("empty", !selected && !model.changes().length);
    if (selected !== this.shown) {
      this.shown = selected;
      if (!selected) this.invite();
      this.refresh = selected ? this.look(selected) : () => {};
    }
    this.refresh();
    this.changes.replaceChildren(...this.listed());
  }

  /** Say what can be looked at, while nothing is. */
  invite() {
    this.about.replaceChildren(
      element("h2", {}, "Look closer"),
      element("p", { class: "quiet" }, "Point at any number in the network to read it."),
      element("p", { class: "quiet" }, "Click it to see how it is made, and to change it."),
    );
  }

  /** Show what a number is of; returns what brings it up to date. */
  look({ figure, value, cell }) {
    const { tile, row, column } = cell;
    const number = element("p", { class: "large" });
    const where = element("p", { class: "quiet" });
    const unit = element("p", { class: "quiet" });
    const own = control(this.page, value, partOf(value, cell), figure);
    const how = element("div", { class: "how" });
    const go = (path, place) => this.page.goTo(path, place);
    const leave = () => this.page.leave();
    const label = { type: "button", class: "close", "aria-label": "close", onclick: leave };
    this.about.replaceChildren(
      element("button", label, "×"),
      element("h2", {}, ...breakable(this.page.nameOf({ value }))),
      element("div", { "aria-live": "polite" }, where, number, unit),
      ...own.nodes,
      how,
      ...this.term(value.path),
    );
    return () => {
      const copies = stacks(value);
      const copy = copies > 1 ? `, copy ${figure.stack + 1} of ${copies}` : "";
      where.textContent = this.isOfObject(value)
        ? ""
        : `${inWords(value, cell, figure.shape)}${copy}`;
      const x = figure.data[figure.shape.at(tile, row, column)];
      number.textContent = short(x, 6);
      unit.textContent = this.meaning(value, x, figure.shape.at(tile, row, column));
      own.refresh();
      const at = new Reader(value, figure.data).located(placeOf(value, cell, figure.stack));
      const { making } = this;
      const explanation = making.of(value, at) ?? making.formula(value);
      const explained = shown(explanation, making.missing(value), at, go);
      how.replaceChildren(
        ...explained,
        ...this.gradient(value, figure.shape.at(tile, row, column)),
      );
    };
  }

  /** What a number of the answer is of, or in the unit of the target; "" of other numbers. */
  meaning(value, x, place) {
    const { answers, classes, kind, target } = this.page.lab;
    if (!answers.includes(value)) return "";
    if (kind === "classes") return `Of the class “${classes[place]}”`;
    if (kind === "tokens") {
      const token = this.page.tokenizer.text(place % value.shape.at(-1));
      return `Of the next token “${visible(token)}”`;
    }
    if (this.isOfObject(value)) return ofObject(value.path, place);
    if (kind !== "numbers" || !target) return "";
    const [mean, deviation] = [target.mean, target.deviation].map((all) => all[place % all.length]);
    const y = short(x * deviation + mean, 5);
    return `In the unit of the target: ${short(x, 5)} × ${short(deviation, 5)} + ${short(mean, 5)} = ${y}`;
  }

  /** Whether a value is an answer about detected objects, whose numbers are told by these. */
  isOfObject(value) {
    const { answers, kind } = this.page.lab;
    return kind === "boxes" && answers.includes(value);
  }

  /** What the glossary says of a value. */
  term(path) {
    const { terms, definitions } = this.page.lab;
    const name = terms[path];
    if (!name) return [];
    const { definition, formula } = definitions[name];
    const nodes = [
      element("h3", {}, `Glossary: ${name}`),
      element("p", { class: "quiet" }, definition),
    ];
    return formula ? [...nodes, element("p", { class: "formula" }, formula)] : nodes;
  }

  /** The gradient of the number, where there is one to compute. */
  gradient(value, place) {
    const { model, inputs } = this.page;
    if (!model.backward || !isFloat(value.dtype)) return [];
    return gradientNodes(this.page, model.gradient(inputs, value, place));
  }

  /** What is changed, and a button that undoes it. */
  listed() {
    const { lab, model } = this.page;
    const changes = model.changes();
    if (!changes.length) return [];
    const lines = changes.map(({ path, part, factor }) => {
      const value = lab.values.find((other) => other.path === path);
      const words = `, ${partInWords(value, part)}: × ${short(factor)}`;
      return element("li", {}, ...breakable(path), words);
    });
    const restore = () => {
      model.restore();
      this.page.changed(true);
    };
    const button = element("button", { type: "button", onclick: restore }, "Undo all changes");
    return [element("h3", {}, "Changed"), element("ul", {}, ...lines.slice(0, 8)), button];
  }
}
