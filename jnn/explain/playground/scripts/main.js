// The page: its state, and what happens when the reader changes it or lets time run.

import { readAddress, writeAddress } from "../../scripts/address.js";
import { onColours } from "../../scripts/colours.js";
import { runCompressed } from "../../scripts/compressed.js";
import { byId, element } from "../../scripts/elements.js";
import { program } from "../../scripts/program.js";
import { DescentPage } from "./descent_page.js";
import { GanPage } from "./gan_page.js";
import { Lessons } from "./lessons.js";
import { NetworkPage } from "./network_page.js";
import { DEFAULTS, checkedState } from "./state.js";

await runCompressed(byId("programs"));
const { compiled, facts } = globalThis;
const programs = Object.fromEntries(
  Object.entries(compiled).map(([name, module]) => [name, program(module)]),
);
const VIEWS = { network: "Network", descent: "Gradient descent", gan: "Two networks" };

const read = () => checkedState(readAddress(location.hash, DEFAULTS), facts);
let state = read();

/** Takes settings, and keeps them in the address. */
function change(settings, before = state) {
  state = checkedState({ ...state, ...settings }, facts);
  history.replaceState(null, "", `#${writeAddress(state, DEFAULTS)}`);
  show(before);
}

const pages = {
  network: new NetworkPage(programs, facts, change),
  descent: new DescentPage(programs, facts, change),
  gan: new GanPage(programs, facts, change),
};
const lessons = new Lessons(change);

/** Shows the state. */
function show(before) {
  if (state.view !== before?.view) {
    for (const name of Object.keys(VIEWS)) byId(name).hidden = name !== state.view;
    const tab = ([name, words]) =>
      element(
        "button",
        {
          id: `view-${name}`,
          "aria-current": name === state.view ? "page" : null,
          onclick: () => change({ view: name }),
        },
        words,
      );
    const focused = document.activeElement?.id;
    byId("views").replaceChildren(...Object.entries(VIEWS).map(tab));
    if (focused) byId(focused)?.focus();
  }
  lessons.show(state);
  pages[state.view].show(state, before?.view === state.view ? before : null);
}

/** A moment of time, for the view that is shown. */
function tick(now) {
  pages[state.view].tick(now);
  requestAnimationFrame(tick);
}

addEventListener("hashchange", () => {
  const before = state;
  state = read();
  show(before);
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId(state.view).querySelector("button").focus();
});
onColours(() => pages[state.view].draw());
show(null);
requestAnimationFrame(tick);
