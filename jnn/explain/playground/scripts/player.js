// Buttons that let time run: train, pause, one step, start again.

import { element } from "../../scripts/elements.js";

const SPEEDS = { slow: 1, normal: 10, fast: 1000 };
const BUDGET = 10;
const PAUSE = 250;

/** The bar of buttons of one view. `step()` makes a step and is false where training has to stop. */
export class Player {
  constructor(box, name, { step, changed, restart, verb = "Train", extra = [] }) {
    Object.assign(this, { step, changed, verb, isPlaying: false, speed: "normal", last: 0 });
    this.button = element("button", { class: "play", id: name, onclick: () => this.toggle() });
    this.count = element("output", { class: "count", id: `${name}-count` });
    const options = Object.keys(SPEEDS).map((speed) =>
      element("option", { value: speed, selected: speed === this.speed }, speed),
    );
    const speed = element("select", { id: `${name}-speed` }, ...options);
    speed.addEventListener("change", () => {
      this.speed = speed.value;
    });
    box.replaceChildren(
      this.button,
      element("button", { id: `${name}-step`, onclick: () => this.advance(1) }, "One step"),
      ...extra,
      element("button", { id: `${name}-again`, onclick: restart }, "Start again"),
      element("label", { for: `${name}-speed` }, "Speed"),
      speed,
      this.count,
    );
    this.nameButton();
  }

  /** The button says what it would do. */
  nameButton() {
    this.button.textContent = this.isPlaying ? "❚❚ Pause" : `▶ ${this.verb}`;
  }

  /** Plays or pauses. */
  toggle() {
    this.isPlaying = !this.isPlaying;
    this.nameButton();
  }

  /** Pauses. */
  pause() {
    if (this.isPlaying) this.toggle();
  }

  /** So many steps at once. */
  advance(steps) {
    for (let i = 0; i < steps && this.step(); i++);
    this.changed();
  }

  /** A moment of time: some steps, if it plays. */
  tick(now) {
    if (!this.isPlaying || (this.speed === "slow" && now - this.last < PAUSE)) return;
    this.last = now;
    const end = performance.now() + BUDGET;
    let left = SPEEDS[this.speed];
    while (left > 0 && performance.now() < end) left = this.step() ? left - 1 : 0;
    this.changed();
  }
}
