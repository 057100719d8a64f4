// A small input as text of the address, and back.

const MOST_BYTES = 1500;

/** The first array of an input as base64; "" for one that is too large, or of several. */
export function packed({ leaves, pixels }, inputs) {
  if (leaves.length !== 1 || leaves[0].dtype !== "float32") return "";
  const [x] = inputs;
  const bytes = pixels
    ? Uint8Array.from(x, (value) => Math.round(255 * Math.min(1, Math.max(0, value))))
    : new Uint8Array(Float32Array.from(x).buffer);
  if (bytes.length > MOST_BYTES) return "";
  return btoa(String.fromCodePoint(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/** Put what an address has into the input; false where it does not fit. */
export function unpack({ pixels }, text, inputs) {
  const [x] = inputs;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.codePointAt(0));
    if (bytes.length !== (pixels ? x.length : 4 * x.length)) return false;
    x.set(pixels ? Array.from(bytes, (byte) => byte / 255) : new Float32Array(bytes.buffer));
    return x.every(Number.isFinite);
  } catch {
    return false;
  }
}
