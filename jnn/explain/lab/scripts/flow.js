// Nodes in rows, and the edges between them, drawn behind the nodes.

import { element, svgElement } from "../../scripts/elements.js";
import { groupedRows } from "./rows.js";

const [LANE, BEND, HEAD, TITLE, BETWEEN] = [12, 10, 5, 24, 26];

/** The rows of a part, `{rows, edges}`; `nodeOf(node)` makes the element of each of its nodes. */
export function flow(part, nodeOf) {
  const nodes = new Map();
  const groups = new Map();
  const rows = groupedRows(part).map(({ kind, nodes: row }) => {
    const inside = row.map((node) => {
      nodes.set(node.id, nodeOf(node));
      return nodes.get(node.id);
    });
    const group = element("div", { class: `row ${kind}` }, ...inside);
    for (const { id } of row) groups.set(id, group);
    return group;
  });
  const svg = svgElement("svg", { class: "edges", "aria-hidden": "true" });
  const lanes = Math.max(-1, ...part.edges.map(([, , lane]) => lane)) + 1;
  const holder = element("div", { class: "flow", style: `--lanes:${lanes}` }, svg, ...rows);
  const draw = () => {
    for (const group of groups.values()) group.classList.toggle("wrapped", isWrapped(group));
    const { width, height, left, top } = holder.getBoundingClientRect();
    const at = (id) => boxOf(nodes.get(id), groups.get(id), left, top);
    const x = (width + LANE * lanes) / 2;
    const ends = { top: { x, y: 0 }, bottom: { x, y: height } };
    const paths = part.edges.map(([from, to, lane]) => pathOf(at(from), at(to), lane, ends));
    const drawn = paths.map((d) => svgElement("path", { d }));
    svg.replaceChildren(...drawn);
  };
  new ResizeObserver(draw).observe(holder);
  return holder;
}

/** Whether branches do not fit beside each other, and lie one under the other. */
function isWrapped({ classList, firstChild, lastChild }) {
  if (!classList.contains("branches")) return false;
  return lastChild.offsetTop >= firstChild.offsetTop + firstChild.offsetHeight;
}

/** Where a node lies within the rows; of branches that wrap, where all of them lie together. */
function boxOf(node, group, left, top) {
  if (!node) return null;
  const box = (isWrapped(group) ? group : node).getBoundingClientRect();
  return {
    isRound: node.classList.contains("operation"),
    group,
    left: box.left - left,
    right: box.right - left,
    x: box.left - left + box.width / 2,
    top: box.top - top,
    bottom: box.bottom - top,
    rowBottom: group.getBoundingClientRect().bottom - top,
  };
}

/** The path of an edge; nodes that are missing are the ends of the part. */
export function pathOf(from, to, lane, ends) {
  const start = from ? { x: from.x, y: from.rowBottom } : ends.top;
  const down = from ? `M${from.x} ${from.bottom}V${from.rowBottom}` : `M${start.x} 0`;
  const end = to ? { x: to.x, y: to.top } : ends.bottom;
  if (from && to && from.group === to.group) return alongChain(from, to);
  if (lane < 0) return `${down}${curve(start, end)}${to ? head(end) : ""}`;
  const x = LANE * (lane + 0.5);
  const out = from ? `${down}v${BEND / 2}H${x}` : `M${x} 0`;
  if (!to) return `${out}V${ends.bottom.y}`;
  if (to.isRound) {
    const middle = (to.top + to.bottom) / 2;
    return `${out}V${middle}H${to.left}m${-HEAD} ${-HEAD}l${HEAD} ${HEAD}l${-HEAD} ${HEAD}`;
  }
  return `${out}V${end.y - BEND}H${end.x}V${end.y}${head(end)}`;
}

/** An edge from a layer to the next of a chain, beside it or in the next line. */
function alongChain(from, to) {
  if (to.left < from.right) {
    const end = { x: to.x, y: to.top };
    const start = { x: from.x, y: to.top - BETWEEN };
    return `M${from.x} ${from.bottom}V${start.y}${curve(start, end)}${head(end)}`;
  }
  const y = to.top + TITLE;
  return `M${from.right} ${y}H${to.left}m${-HEAD} ${-HEAD}l${HEAD} ${HEAD}l${-HEAD} ${HEAD}`;
}

function curve(start, end) {
  const middle = (start.y + end.y) / 2;
  return `C${start.x} ${middle} ${end.x} ${middle} ${end.x} ${end.y}`;
}

function head({ x, y }) {
  return `M${x - HEAD} ${y - HEAD}L${x} ${y}L${x + HEAD} ${y - HEAD}`;
}
