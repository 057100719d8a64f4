// Which nodes of a part stand beside each other: branches, and layers that follow one another.

/** Whether a node is drawn as a picture or two, which leave room beside them. */
function isNarrow({ values, rows }) {
  return values.length === 1 && rows.length === 0;
}

/** Whether a node is a mark without pictures. */
function isMark({ values, rows }) {
  return values.length === 0 && rows.length === 0;
}

/**
 * The rows of a part as `{kind, nodes}`: a `chain` of narrow layers, each of which reads the one
 * before it; `branches`, which read what is above them; `marks` alone; or a `single` node.
 */
export function groupedRows({ rows, edges }) {
  const reads = (to, from) => edges.some(([a, b]) => a === from.id && b === to.id);
  const found = [];
  for (const nodes of rows) {
    const [node] = nodes;
    const before = found.at(-1);
    const isNext = nodes.length === 1 && isNarrow(node) && before?.isOpen;
    if (isNext && reads(node, before.nodes.at(-1))) {
      before.nodes.push(node);
      before.kind = "chain";
      continue;
    }
    const isOpen = nodes.length === 1 && isNarrow(node);
    const several = nodes.every((other) => isMark(other)) ? "marks" : "branches";
    found.push({ kind: nodes.length > 1 ? several : "single", nodes: [...nodes], isOpen });
  }
  return found;
}
