// A text as input: what is typed is read as tokens, and shown as such.

import { element } from "../../scripts/elements.js";
import { visible } from "./next_tokens.js";
import { startOf } from "./stream.js";

const PAUSE = 120;
const NAMED = 5;

/** What the model reads in place of parts of a text for which its vocabulary has no token. */
export function missingText(tokenizer, text) {
  const missing = tokenizer.missing(text);
  if (!missing.length) return "";
  const named = missing.slice(0, NAMED).map((part) => `“${visible(part)}”`);
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : "";
  const { unknown } = tokenizer.special;
  const what = unknown === undefined ? "leaves them out" : `reads ${tokenizer.text(unknown)}`;
  return `The vocabulary lacks ${named.join(", ")}${more}: the model ${what}.`;
}

/** A field for a text, and the tokens that it is read as. */
class TextField {
  /** `changed(tokens)` is called a moment after the text has changed. */
  constructor(page, label, changed) {
    this.page = page;
    this.changed = () => changed(page.tokenizer.read(this.area.value));
    const typed = () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.flush(), PAUSE);
    };
    const disabled = !page.tokenizer.canEncode;
    this.area = element("textarea", { rows: 4, spellcheck: "false", disabled, oninput: typed });
    this.chips = element("p", { class: "tokens", "aria-label": `the tokens of the ${label}` });
    this.missing = element("p", { class: "quiet", role: "status" });
    const field = element("label", {}, label, this.area);
    this.node = element("div", {}, field, this.chips, this.missing);
  }

  /** Read what was typed a moment ago. */
  flush() {
    if (!this.waiting) return;
    clearTimeout(this.waiting);
    this.waiting = null;
    this.changed();
  }

  /** Show tokens, those that are read from `start` on, and a text, by default theirs. */
  show(tokens, start, isTyped, text = this.page.tokenizer.written(tokens)) {
    const { tokenizer } = this.page;
    if (!isTyped) this.area.value = text;
    const chips = tokens.map((token, i) => {
      const unread = i < start ? " unread" : "";
      const unknown = token === tokenizer.special.unknown ? " unknown" : "";
      return element("span", { class: `token${unread}${unknown}` }, visible(tokenizer.text(token)));
    });
    this.chips.replaceChildren(...chips);
    this.missing.textContent = missingText(tokenizer, this.area.value);
  }
}

/** One text: a language model reads the end of a long one, other models its beginning. */
export class TextInput {
  constructor(page, node) {
    this.page = page;
    this.length = page.lab.input.leaves[0].size;
    this.fromEnd = page.lab.kind === "tokens";
    this.field = new TextField(page, "text", (tokens) => this.set(tokens, true));
    const most = `It reads ${this.length} tokens at most`;
    const note = `${most}, of a longer text its ${this.fromEnd ? "end" : "beginning"}.`;
    node.append(this.field.node, element("p", { class: "quiet" }, note));
  }

  take(example) {
    const { tokenizer } = this.page;
    const canRead = tokenizer.canEncode && example.text !== undefined;
    const tokens = canRead ? tokenizer.encode(example.text) : (example.tokens ?? []);
    this.set(tokens, false, example.text);
  }

  set(tokens, isTyped, text) {
    this.tokens = tokens.length ? tokens : [0];
    const start = this.fromEnd ? startOf(this.tokens.length, this.length) : 0;
    const read = this.tokens.slice(start, start + this.length);
    const [x, mask] = this.page.inputs;
    x.fill(this.page.lab.input.padding).set(read);
    mask?.fill(0).fill(1, 0, read.length);
    this.page.real = { "": read.length };
    this.page.last = read.length - 1;
    this.page.tokens[""] = read.map((token) => visible(this.page.tokenizer.text(token)));
    this.field.show(this.tokens, start, isTyped, text);
    this.page.changed(!isTyped);
  }

  /** Add a token that was drawn; false where the text has ended. */
  append(token) {
    this.field.flush();
    if (token === this.page.tokenizer.special.end) return false;
    this.set([...this.tokens, token], false);
    this.page.truth = "";
    return true;
  }

  /** The text, for the address; "" for a long one. */
  written() {
    const text = this.page.tokenizer.written(this.tokens);
    return this.page.tokenizer.canEncode && text.length <= 500 ? text : "";
  }

  /** Read the text of an address. */
  read(text) {
    const tokens = this.page.tokenizer.read(text.slice(0, 500));
    if (tokens.length) this.set(tokens, false);
    this.page.changed();
  }

  update() {}
}

/** A source text, and the beginning of its translation. */
export class PairInput {
  constructor(page, node) {
    this.page = page;
    const { leaves } = page.lab.input;
    this.place = Object.fromEntries(leaves.map(({ path }, i) => [path, i]));
    this.length = leaves[this.place.tokens].size;
    this.tokens = { source: [], tokens: [] };
    const field = (name, label, first) =>
      new TextField(page, label, (tokens) => this.set(name, [...first, ...tokens], true));
    const { start } = page.tokenizer.special;
    this.first = start === undefined ? [] : [start];
    this.fields = {
      source: field("source", "source", []),
      tokens: field("tokens", "translation so far", this.first),
    };
    const clear = () => this.set("tokens", this.first, false);
    const again = element("button", { type: "button", onclick: clear }, "Translate anew");
    node.append(this.fields.source.node, this.fields.tokens.node, again);
  }

  take(example) {
    const real = (name, mask) => {
      const length = example.real?.[mask ?? name] ?? this.page.inputs[this.place[name]].length;
      return [...this.page.inputs[this.place[name]].subarray(0, length)];
    };
    this.tokens = { source: real("source", "source_mask"), tokens: this.first };
    this.set("source", this.tokens.source, false);
    this.set("tokens", this.first.length ? this.first : real("tokens").slice(0, 1), false);
  }

  set(name, tokens, isTyped) {
    const { inputs, lab } = this.page;
    const isEmpty = name === "source" && !tokens.length;
    this.tokens[name] = isEmpty ? [lab.input.padding] : tokens;
    const read = this.tokens[name].slice(0, this.length);
    inputs[this.place[name]].fill(lab.input.padding).set(read);
    if (name === "source" && "source_mask" in this.place) {
      inputs[this.place.source_mask].fill(0).fill(1, 0, read.length);
    }
    this.page.tokens[name] = read.map((token) => visible(this.page.tokenizer.text(token)));
    this.fields[name].show(this.tokens[name], 0, isTyped);
    const { source, tokens: target } = this.tokens;
    const length = Math.max(1, Math.min(this.length, target.length));
    this.page.real = { source: Math.min(this.length, source.length), tokens: length };
    this.page.last = length - 1;
    this.page.changed(!isTyped);
  }

  /** Add a token that was drawn; false where the translation has ended, or has no room. */
  append(token) {
    this.fields.source.flush();
    this.fields.tokens.flush();
    const { end } = this.page.tokenizer.special;
    if (token === end || this.tokens.tokens.length >= this.length) return false;
    this.set("tokens", [...this.tokens.tokens, token], false);
    return true;
  }

  update() {}
}
