// The input of the model: what a person can do with it follows from its shape.

import { element } from "../../scripts/elements.js";
import { inputsOf } from "./model.js";
import { PictureInput, thumbnail } from "./picture_input.js";

const OF_KIND = { picture: PictureInput };

/** An input that is only shown: its examples can be chosen. */
class ShownInput {
  constructor(page, node) {
    node.append(element("p", { class: "quiet" }, "Choose an example."));
  }

  update() {}
}

/** The input of the page, with its examples: `take(example)`, `update()`. */
export function makeInput(page, node) {
  const { kind, examples } = page.lab.input;
  const input = new (OF_KIND[kind] ?? ShownInput)(page, node);
  const buttons = examples.map((example, i) => exampleButton(page, example, i));
  if (buttons.length) node.append(element("div", { class: "examples" }, ...buttons));
  const mark = () => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === page.state.example));
  };
  return {
    take(example) {
      input.take?.(example);
      mark();
    },
    update: () => input.update(),
  };
}

function exampleButton(page, example, i) {
  const { kind, leaves } = page.lab.input;
  const name = example.truth || `${i + 1}`;
  const label = `example ${i + 1}${example.truth ? `: ${example.truth}` : ""}`;
  const button = element("button", { type: "button", "aria-label": label, title: label });
  if (kind === "picture") button.append(thumbnail(inputsOf(page.lab, example)[0], leaves[0].shape));
  button.append(example.text ? example.text.slice(0, 40) : name);
  button.addEventListener("click", () => page.choose(i));
  return button;
}
