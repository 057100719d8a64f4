// Making elements of the page. Texts are set as text: what comes from data is never HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a function is a listener: `{onclick: f}`. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svgElement(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Gives a new element what it has. */
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The pieces of a path, which a narrow column breaks after slashes and underscores. */
export function breakable(path) {
  return path.split(/(?<=[/_])/).flatMap((piece, i) => (i ? [element("wbr"), piece] : [piece]));
}

/** Give a node other children; the focus goes from its button to the one in the same place. */
export function refill(node, ...children) {
  const buttons = () => Array.from(node.querySelectorAll("button"));
  const focused = buttons().indexOf(document.activeElement);
  node.replaceChildren(...children);
  buttons()[focused]?.focus({ preventScroll: true });
}

/** The element of the page with an id. */
export function byId(id) {
  return document.getElementById(id);
}
