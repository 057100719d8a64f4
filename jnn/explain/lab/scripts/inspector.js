// What is known of the number that is looked at, and what can be changed there.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { gradientNodes } from "./gradient_view.js";
import { Making } from "./making.js";
import { shown } from "./making_view.js";
import { inWords, partName, partOf, placeOf } from "./layout.js";

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
    const control = this.control(value, partOf(value, cell));
    const how = element("div", { class: "how" });
    const go = (path, place) => this.page.goTo(path, place);
    const leave = () => this.page.leave();
    const label = { type: "button", class: "close", "aria-label": "close", onclick: leave };
    this.about.replaceChildren(
      element("button", label, "×"),
      element("h2", {}, value.path || "answer"),
      element("p", { class: "quiet" }, inWords(value, cell, figure.shape)),
      number,
      ...control.nodes,
      how,
      ...this.term(value.path),
    );
    return () => {
      number.textContent = short(figure.data[figure.shape.at(tile, row, column)], 6);
      control.refresh();
      const at = placeOf(value, cell, figure.stack);
      const explained = shown(this.making.of(value, at), at, go);
      how.replaceChildren(
        ...explained,
        ...this.gradient(value, figure.shape.at(tile, row, column)),
      );
    };
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
    if (!model.backward || value.dtype !== "float32") return [];
    return gradientNodes(this.page, model.gradient(inputs, value, place));
  }

  /** A slider and a switch for the part of a value that a number is in. */
  control(value, part) {
    const { model } = this.page;
    const factors = model.factors.get(value.path);
    if (!factors || part < 0) return { nodes: [], refresh: () => {} };
    const change = (factor) => {
      model.scale(value.path, part, factor);
      this.page.changed(true);
    };
    const name = `${partName(value)} ${part}`;
    const slide = (event) => change(Number(event.target.value));
    const toggle = () => change(factors[part] === 0 ? 1 : 0);
    const range = { id: "factor", type: "range", min: 0, max: 2, step: 0.05, oninput: slide };
    const slider = element("input", range);
    const button = element("button", { type: "button", onclick: toggle });
    const label = element("label", { for: "factor" });
    const refresh = () => {
      slider.value = factors[part];
      label.textContent = `${name} times ${short(factors[part])}`;
      button.textContent = `Switch ${name} ${factors[part] === 0 ? "on" : "off"}`;
    };
    return { nodes: [element("div", { class: "control" }, label, slider, button)], refresh };
  }

  /** What is changed, and a button that undoes it. */
  listed() {
    const { model } = this.page;
    const changes = model.changes();
    if (!changes.length) return [];
    const lines = changes.map(({ path, part, factor }) => {
      return element("li", {}, `${path}, ${part}: × ${short(factor)}`);
    });
    const restore = () => {
      model.restore();
      this.page.changed(true);
    };
    const button = element("button", { type: "button", onclick: restore }, "Undo all changes");
    return [element("h3", {}, "Changed"), element("ul", {}, ...lines.slice(0, 8)), button];
  }
}
