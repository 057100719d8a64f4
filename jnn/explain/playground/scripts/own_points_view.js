// Where a reader draws points, or pastes a table.

import { element } from "../../scripts/elements.js";
import { parsePoints, pointsText, readTable } from "./own_points.js";

const CLASSES = { 1: "orange", "-1": "blue" };

/** The part of the data's controls that belongs to the reader's own points. */
export class OwnPointsView {
  constructor(box, facts, change) {
    Object.assign(this, { box, facts, change, drawn: 1 });
    const choose = ([value, name]) => {
      const input = element("input", { type: "radio", name: "drawn", value, id: `drawn-${name}` });
      input.checked = Number(value) === this.drawn;
      input.addEventListener("change", () => {
        this.drawn = Number(value);
      });
      return element("label", { for: `drawn-${name}` }, input, ` ${name}`);
    };
    this.text = element("textarea", {
      id: "table",
      rows: 4,
      spellcheck: "false",
      placeholder: "length,width,kind\n1.4,0.2,setosa\n4.7,1.4,versicolor\n...",
    });
    this.error = element("p", { class: "message", role: "alert" });
    box.replaceChildren(
      element(
        "p",
        { class: "hint" },
        "Press the picture of the output to add points. Every fourth is for testing.",
      ),
      element(
        "fieldset",
        {},
        element("legend", {}, "Draw"),
        ...Object.entries(CLASSES).map(choose),
      ),
      element("button", { id: "clear", onclick: () => change({ own: "" }) }, "Remove all points"),
      element(
        "label",
        { for: "table" },
        "Or paste a table (CSV): two numbers and a class in each row",
      ),
      this.text,
      element("button", { id: "use", onclick: () => this.useTable() }, "Use this table"),
      this.error,
    );
  }

  /** Is shown where the state has own points. */
  show(state) {
    this.state = state;
    this.box.hidden = state.set !== "own";
  }

  /** The points of the state. */
  get points() {
    return parsePoints(this.state.own, this.facts.edge, this.facts.points);
  }

  /** Adds a point of the chosen class. */
  add(x, y) {
    if (this.state.set !== "own") return;
    const { points } = this;
    if (points.length >= this.facts.points) {
      this.error.textContent = `At most ${this.facts.points} points fit.`;
      return;
    }
    this.change({ own: pointsText([...points, [x, y, this.drawn]]) });
  }

  /** Takes the pasted table, or says what is wrong with it. */
  useTable() {
    const { points, classes, error } = readTable(
      this.text.value,
      this.facts.edge,
      this.facts.points,
    );
    this.error.textContent = error ?? "";
    if (error) return;
    this.error.textContent = `${classes[1]} is orange, ${classes[0]} is blue.`;
    this.change({ own: pointsText(points) });
  }
}
