// The page: its state, and what happens when the reader changes it or lets time run.

import { readAddress, writeAddress } from "../scripts/address.js";
import { byId, element } from "../scripts/elements.js";
import { program } from "../scripts/program.js";
import { showControls } from "./controls.js";
import { NetworkPage } from "./network_page.js";
import { DEFAULTS, checkedState } from "./state.js";

const { compiled, facts } = globalThis;
const programs = Object.fromEntries(
  Object.entries(compiled).map(([name, module]) => [name, program(module)]),
);
const VIEWS = { network: "Network", descent: "Gradient descent", gan: "Two networks" };

const read = () => checkedState(readAddress(location.hash, DEFAULTS), facts);
let state = read();

/** Takes a setting, and keeps it in the address. */
function change(name, value) {
  const before = state;
  state = checkedState({ ...state, [name]: value }, facts);
  history.replaceState(null, "", `#${writeAddress(state, DEFAULTS)}`);
  show(before);
}

const pages = { network: new NetworkPage(programs, facts, change) };

/** Shows the state. */
function show(before) {
  if (state.view !== before?.view) {
    for (const name of Object.keys(VIEWS)) byId(name).hidden = name !== state.view;
    const tab = ([name, words]) =>
      element(
        "button",
        { "aria-current": name === state.view && "page", onclick: () => change("view", name) },
        words,
      );
    byId("views").replaceChildren(
      ...Object.entries(VIEWS)
        .filter(([name]) => pages[name])
        .map(tab),
    );
  }
  showControls(state, facts, change);
  pages[state.view].show(state, before);
}

/** A moment of time, for the page that is shown. */
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
  byId("training").querySelector("button").focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(null));
show(null);
requestAnimationFrame(tick);
