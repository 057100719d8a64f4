// The figure of a captured value: its canvas, on which every number can be pointed at.

import { element } from "../../scripts/elements.js";
import { short } from "../../scripts/numbers.js";
import { largest } from "./arrays.js";
import { inWords, layout, stackSizes, stacks } from "./layout.js";
import { cellAt, draw } from "./picture.js";
import { StackPicker } from "./stack_picker.js";

/** So many of something, as "1 step" or "2 steps". */
function some(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a kind of value is, in words for its shape. */
export function sizeInWords({ kind, shape, axes }) {
  const of = (name) => shape[axes.indexOf(name)];
  const [units, steps] = [some(of("unit"), "unit"), some(of("time"), "step")];
  const words = {
    number: "a number",
    vector: some(of("unit") ?? of("axis"), "number"),
    steps,
    sequence: `${steps} × ${units}`,
    heads: `${some(of("head"), "head")} × ${units}, ${steps}`,
    maps: `${some(of("unit"), "channel")} of ${of("row")} × ${of("column")}`,
    attention: `${some(of("head") ?? 1, "head")}, ${of("query")} × ${of("key")}`,
  };
  const parts = axes.flatMap((name, axis) => (name.startsWith("axis") ? [shape[axis]] : []));
  const isOverTime = parts.length && axes.includes("time") && axes.includes("unit");
  if (kind === "grid" && isOverTime) return `${parts.join(" × ")} parts, ${steps} × ${units}`;
  return words[kind] ?? shape.join(" × ");
}

/** The figure of a value: its canvas, and `update(array)`, which draws it anew. */
export class ValueFigure {
  /**
   * `page` has `select(figure, cell)`, `selected`, `real`, and `tell(text, event)`. `outer` picks the
   * copy of the part around it, for all its figures; other stacks have a picker of their own.
   */
  constructor(page, value, name, outer = null) {
    this.page = page;
    this.value = value;
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
    this.outer = outer && stackSizes(value)[0] === outer.count ? outer : null;
    this.own = new StackPicker(page, stacks(value) / (this.outer?.count ?? 1), value.path);
    if (this.outer) this.outer.isUsed = true;
    if (this.own.count > 1) caption.append(this.own.node);
    this.node = element("figure", {}, caption, holder);
  }

  /** Which of several copies is shown. */
  get stack() {
    return (this.outer?.stack ?? 0) * this.own.count + this.own.stack;
  }

  /** Show one of several copies. */
  choose(stack) {
    this.outer?.choose(Math.floor(stack / this.own.count));
    this.own.choose(stack % this.own.count);
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
    const path = this.value.path || "the answer";
    const label = `${path}: ${sizeInWords(this.value)}, largest ${short(largest(data))}`;
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
