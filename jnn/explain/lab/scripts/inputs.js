// The input of the model: what a person can do with it follows from its shape.

import { element } from "../../scripts/elements.js";
import { ArraysInput } from "./arrays_input.js";
import { inputsOf } from "./model.js";
import { PictureInput, thumbnail } from "./picture_input.js";
import { SeriesInput } from "./series_input.js";
import { TableInput } from "./table_input.js";
import { PairInput, TextInput } from "./text_input.js";

const OF_KIND = {
  picture: PictureInput,
  table: TableInput,
  series: SeriesInput,
  text: TextInput,
  pair: PairInput,
};

/** The input of the page, with its examples: `take(example)`, `update()`, `append(token)`. */
export function makeInput(page, node) {
  const { kind, examples, part } = page.lab.input;
  const input = new (OF_KIND[kind] ?? ArraysInput)(page, node);
  const buttons = part ? examples.map((example, i) => exampleButton(page, example, i)) : [];
  if (buttons.length) {
    const from = { test: "the test part", training: "the training part" }[part] ?? "the data";
    node.append(element("h3", {}, `Examples of ${from}`));
    node.append(element("div", { class: `examples of-${kind}` }, ...buttons));
  }
  const mark = () => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === page.state.example));
  };
  return {
    take(example) {
      if (!part) input.begin?.();
      input.take?.(example);
      mark();
    },
    append: (token) => input.append(token),
    written: input.written && (() => input.written()),
    read: input.read && ((text) => input.read(text)),
    update: () => input.update(),
  };
}

function exampleButton(page, example, i) {
  const { kind, leaves } = page.lab.input;
  const label = `example ${i + 1}${example.truth ? `: ${example.truth}` : ""}`;
  const button = element("button", { type: "button", "aria-label": label, title: label });
  if (kind === "picture") button.append(thumbnail(inputsOf(page.lab, example)[0], leaves[0].shape));
  button.append(example.text ?? (example.truth || `${i + 1}`));
  button.addEventListener("click", () => page.choose(i));
  return button;
}
