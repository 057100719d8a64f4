// Which of several copies figures show: layers of a repeated part, or members of an ensemble.

import { element } from "../../scripts/elements.js";

/** A choice of one copy, for all `figures` that are added. */
export class StackPicker {
  constructor(page, count, name) {
    this.page = page;
    this.count = count;
    this.stack = 0;
    this.isUsed = false;
    const options = Array.from({ length: count }, (_, i) => {
      return element("option", { value: i }, `${i + 1} of ${count}`);
    });
    const pick = (event) => {
      this.choose(Number(event.target.value));
      page.show();
    };
    const label = { onchange: pick, "aria-label": `which copy of ${name}` };
    this.node = element("select", label, ...options);
  }

  /** Show a copy. */
  choose(stack) {
    this.stack = Math.max(0, Math.min(this.count - 1, stack));
    this.node.value = this.stack;
  }
}
