// A part of a view.

import { element } from "../../scripts/elements.js";

/** A part of a view under its title. */
export function card(title, ...content) {
  return element("section", { class: "card" }, element("h2", {}, title), ...content);
}
