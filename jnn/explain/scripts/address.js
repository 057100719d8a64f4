// The state of a page in its address, so that a view can be shared.

/** The state that an address has after its #, of the kinds of the defaults; others are ignored. */
export function readAddress(hash, defaults) {
  const state = { ...defaults };
  for (const [name, text] of pairsOf(hash.replace(/^#/, ""))) {
    if (!Object.hasOwn(defaults, name)) continue;
    if (typeof defaults[name] !== "number") state[name] = text;
    else if (text !== "" && Number.isFinite(Number(text))) state[name] = Number(text);
  }
  return state;
}

/** The part of an address after # for a state: what differs from the defaults. */
export function writeAddress(state, defaults) {
  const differs = (name) => String(state[name]) !== String(defaults[name]);
  const names = Object.keys(defaults).filter(differs);
  return names.map((name) => `${name}=${escapeValue(String(state[name]))}`).join("&");
}

/** The pairs of names and values in the text; an engine without a page has no URLSearchParams. */
function pairsOf(text) {
  return text
    .split("&")
    .filter(Boolean)
    .map((part) => {
      const [name, ...value] = part.split("=");
      return [name, decoded(value.join("="))];
    });
}

/** The text that an escaped one stands for; one that is badly escaped stands for itself. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A value with what an address may not contain escaped; commas stay readable. */
function escapeValue(text) {
  return encodeURIComponent(text).replaceAll("%2C", ",").replaceAll("%3B", ";");
}
