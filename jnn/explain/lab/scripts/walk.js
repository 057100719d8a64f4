// The way through the network: its parts from the top down, branches side by side.

import { element } from "../../scripts/elements.js";
import { ValueFigure } from "./figure.js";
import { flow } from "./flow.js";
import { StackPicker } from "./stack_picker.js";

/** The name of a value within the part that makes it; "" for what it is there for, its output. */
export function nameWithin(path) {
  const name = path.replace(/#\d+$/, "").split("/").at(-1);
  return name === "output" ? "" : name;
}

/** The nodes that a node reads, in words, where it is not simply the one above it; "" there. */
export function reads(id, { rows, edges }) {
  const sources = edges.filter(([, to]) => to === id).map(([from]) => from);
  const row = rows.findIndex((nodes) => nodes.some((node) => node.id === id));
  const above = (rows[row - 1] ?? []).map((node) => node.id);
  const isSimple =
    sources.length < 2 && above.length < 2 && (!above.length || above[0] === sources[0]);
  return isSimple || !sources.length
    ? ""
    : sources.map((name) => nodeInWords(name, rows)).join(" and ");
}

function nodeInWords(id, rows) {
  if (id.startsWith("@input")) return id.slice(7) || "the input";
  return rows.flat().find((node) => node.id === id)?.name ?? id;
}

/** Whether all values of a node are computed after that of a path. */
function isBehind(node, path, paths) {
  const own = node.values.every((other) => paths.indexOf(other) > paths.indexOf(path));
  return own && node.rows.flat().every((inner) => isBehind(inner, path, paths));
}

/** The whole walk: its `node`, and the `figures` of all values in it. */
export class Walk {
  constructor(page, { walk, values }) {
    this.page = page;
    this.values = new Map(values.map((value) => [value.path, value]));
    this.figures = [];
    this.node = flow(walk, (node) => this.nodeOf(node, walk, 3));
    const paths = values.map(({ path }) => path);
    const isFirst = (path) => walk.rows.flat().every((node) => isBehind(node, path, paths));
    const [first, last] = [walk.values.filter(isFirst), walk.values.filter((p) => !isFirst(p))];
    if (first.length) this.node.prepend(this.figuresOf({ ...walk, values: first }, null));
    if (last.length) this.node.append(this.figuresOf({ ...walk, values: last }, null));
  }

  /** The element of a node of a part; `level` is that of its heading. */
  nodeOf(node, around, level, picker = null) {
    const from = reads(node.id, around);
    if (node.role === "operation") {
      const label = from ? `${node.name} of ${from}` : node.name;
      return element("div", { class: "operation", role: "img", "aria-label": label }, node.name);
    }
    if (!node.values.length && !node.rows.length) {
      const text = [node.name, node.kind, node.shape].filter(Boolean).join(" · ");
      return element("div", { class: "pill" }, text);
    }
    return this.part(node, from, level, picker);
  }

  /** A part with its values and its own parts. */
  part(node, from, level, around) {
    const picker = node.repeat > 1 ? new StackPicker(this.page, node.repeat, node.name) : around;
    const what = [node.kind, node.repeat > 1 ? `× ${node.repeat}` : "", from && `from ${from}`];
    const text = what.filter(Boolean).join(" · ");
    const title = element(`h${Math.min(level, 6)}`, {}, node.name, " ");
    title.append(element("span", { class: "quiet" }, text));
    const section = element("section", { class: "box" }, title);
    if (node.rows.length) {
      section.append(flow(node, (inner) => this.nodeOf(inner, node, level + 1, picker)));
    }
    if (node.values.length) section.append(this.figuresOf(node, picker));
    if (picker !== around && picker.isUsed) title.after(picker.node);
    return section;
  }

  /** The figures of the values that a part makes itself. */
  figuresOf(part, picker) {
    const outputs = part.values.filter((path) => !nameWithin(path));
    const nodes = part.values.map((path) => {
      const value = this.values.get(path);
      const number = outputs.length > 1 && outputs.includes(path) ? outputs.indexOf(path) + 1 : "";
      const output = part.rows.length || number ? `output ${number}` : "";
      const name = nameWithin(path) || output.trim();
      const figure = new ValueFigure(this.page, value, name, picker);
      this.figures.push(figure);
      return figure.node;
    });
    return element("div", { class: "figures" }, ...nodes);
  }
}
