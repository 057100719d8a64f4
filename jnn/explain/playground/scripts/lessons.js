// The lessons beside the stage: texts in the page, of which one is shown.

import { byId, element } from "../../scripts/elements.js";

/** The list of lessons, and the one that is read. */
export class Lessons {
  constructor(change) {
    this.change = change;
    this.texts = [...document.querySelectorAll("[data-lesson]")];
    const open = (number) => () => this.open(number);
    const buttons = this.texts.map((text, i) => {
      const title = text.querySelector("h2").textContent;
      return element(
        "button",
        { id: `lesson-${i + 1}`, onclick: open(i + 1) },
        `${i + 1}  ${title}`,
      );
    });
    this.buttons = buttons;
    byId("lesson-list").replaceChildren(...buttons.map((button) => element("li", {}, button)));
    for (const text of this.texts) text.append(this.steps(Number(text.dataset.lesson)));
  }

  /** Buttons to the lessons before and after one, and out of them. */
  steps(number) {
    const go = (to, words) => element("button", { onclick: () => this.open(to) }, words);
    const bar = element("div", { class: "buttons" });
    if (number > 1) bar.append(go(number - 1, "← Previous"));
    if (number < this.texts.length) bar.append(go(number + 1, "Next →"));
    bar.append(go(0, "Close the lesson"));
    return bar;
  }

  /** Opens a lesson with the state that its text begins with. */
  open(number) {
    const start = this.texts[number - 1]?.dataset.start;
    if (start === undefined) this.change({ lesson: 0 });
    else location.hash = `#${start}`;
  }

  /** Shows the lesson of a state. */
  show({ lesson }) {
    const isOther = this.lesson !== undefined && this.lesson !== lesson;
    this.lesson = lesson;
    byId("layout").classList.toggle("with-lesson", lesson > 0);
    for (const text of this.texts) text.hidden = Number(text.dataset.lesson) !== lesson;
    this.buttons.forEach((button, i) => {
      if (i + 1 === lesson) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    });
    if (!isOther || lesson === 0) return;
    const title = this.texts[lesson - 1].querySelector("h2");
    title.focus();
    title.scrollIntoView({ block: "nearest" });
  }
}
