// The way through the network: every captured value, drawn in the box of its scope.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { largest } from "./arrays.js";
import { inWords, layout, stacks } from "./layout.js";
import { cellAt, draw } from "./picture.js";

/** What a kind of value is, in words for its shape. */
export function sizeInWords({ kind, shape, axes }) {
  const of = (name) => shape[axes.indexOf(name)];
  const words = {
    number: "a number",
    vector: `${of("unit") ?? of("axis")} numbers`,
    steps: `${of("time")} steps`,
    sequence: `${of("time")} steps × ${of("unit")} units`,
    heads: `${of("head")} heads × ${of("unit")} units, ${of("time")} steps`,
    maps: `${of("unit")} channels of ${of("row")} × ${of("column")}`,
    attention: `${of("head") ?? 1} heads, ${of("query")} × ${of("key")}`,
  };
  return words[kind] ?? shape.join(" × ");
}

/** Values by the first part of their path, in the order of the computation; repeated ones apart. */
export function scopes(values) {
  const groups = new Map();
  for (const value of values) {
    const [first, ...rest] = value.path.split("/");
    const [again] = value.path.match(/#\d+$/) ?? [""];
    const name = rest.length ? `${first}${again}` : "";
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(value);
  }
  return [...groups];
}

/** The name of a value within its scope. */
function nameWithin(scope, path) {
  const start = scope.replace(/#\d+$/, "");
  const rest = scope ? path.slice(start.length + 1) : path;
  return rest.replace(/#\d+$/, "").replace(/\/output$/, "") || path;
}

/** The figure of a value: its canvas, and `update(array)`, which draws it anew. */
export class ValueFigure {
  /** `page` has `select(value, cell)`, `selected`, `real`, and `tell(text, event)`. */
  constructor(page, value, name) {
    this.page = page;
    this.value = value;
    this.stack = 0;
    this.canvas = element("canvas", {
      tabindex: "0",
      role: "img",
      onclick: (event) => this.click(event),
      onpointermove: (event) => this.point(event),
      onpointerleave: () => page.tell(""),
      onkeydown: (event) => this.key(event),
    });
    const holder = element("div", { class: "canvas" }, this.canvas);
    this.number = element("output");
    const caption = element(
      "figcaption",
      {},
      element("b", {}, name),
      ` ${sizeInWords(value)} `,
      this.number,
    );
    if (stacks(value) > 1) caption.append(this.stackPicker());
    this.node = element("figure", {}, caption, holder);
  }

  stackPicker() {
    const options = Array.from({ length: stacks(this.value) }, (_, i) => {
      return element("option", { value: i }, `${i + 1} of ${stacks(this.value)}`);
    });
    const pick = (event) => {
      this.stack = Number(event.target.value);
      this.page.show();
    };
    const label = `which member or layer of ${this.value.path}`;
    this.picker = element("select", { onchange: pick, "aria-label": label }, ...options);
    return this.picker;
  }

  /** Show one of several members or layers. */
  choose(stack) {
    if (!this.picker || stack >= stacks(this.value)) return;
    this.stack = stack;
    this.picker.value = stack;
  }

  /** Draw the value; the canvas is as wide as its box. */
  update(data) {
    this.data = data;
    this.shape = layout(this.value, this.stack, this.page.real);
    const isNumber = this.value.kind === "number";
    this.number.textContent = isNumber ? short(data[this.shape.at(0, 0, 0)], 5) : "";
    const { selected } = this.page;
    const marked = selected?.value === this.value ? selected.cell : null;
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    this.place = draw(this.canvas, this.shape, data, {
      width,
      marked,
      scale: this.page.scaleOf(data),
    });
    const label = `${this.value.path}: ${sizeInWords(this.value)}, largest ${short(largest(data))}`;
    this.canvas.setAttribute("aria-label", `${label}. Arrow keys go from number to number.`);
  }

  /** The number of a cell, with its place, as text. */
  text(cell) {
    const { tile, row, column } = cell;
    const number = this.data[this.shape.at(tile, row, column)];
    return `${inWords(this.value, cell, this.shape)}: ${short(number, 5)}`;
  }

  cellOf(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return cellAt(this.shape, this.place, event.clientX - left, event.clientY - top);
  }

  point(event) {
    const cell = this.cellOf(event);
    this.page.tell(cell ? this.text(cell) : "", event);
  }

  click(event) {
    const cell = this.cellOf(event);
    if (cell) this.page.select(this, cell);
  }

  key(event) {
    const { selected } = this.page;
    const cell = selected?.figure === this ? { ...selected.cell } : { tile: 0, row: 0, column: 0 };
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Enter: 0 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    if (selected?.figure === this) move(cell, event.key, this.shape);
    this.page.select(this, cell);
  }
}

/** The next cell for an arrow key; at the edge of a tile the next tile. */
export function move(cell, key, { tiles, rows, columns }) {
  const across = { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0;
  const down = { ArrowUp: -1, ArrowDown: 1 }[key] ?? 0;
  cell.column += across;
  cell.row += down;
  if (cell.column < 0 || cell.column >= columns) {
    const next = Math.min(tiles - 1, Math.max(0, cell.tile + across));
    cell.column = next === cell.tile ? cell.column - across : across > 0 ? 0 : columns - 1;
    cell.tile = next;
  }
  cell.row = Math.min(rows - 1, Math.max(0, cell.row));
}

/** The boxes of all scopes: the nodes, and the figures in them. */
export function boxes(page, values) {
  const figures = [];
  const nodes = scopes(values).map(([name, group]) => {
    const inside = group.map((value) => {
      figures.push(new ValueFigure(page, value, nameWithin(name, value.path)));
      return figures.at(-1).node;
    });
    const title = element("h3", {}, name || "values");
    return element(
      "section",
      { class: "box" },
      title,
      element("div", { class: "figures" }, ...inside),
    );
  });
  return { nodes, figures };
}
