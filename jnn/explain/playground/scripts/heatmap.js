// Values over the plane as a picture.

import { signedColour } from "../../scripts/colours.js";

/** The points of a grid over the plane, row by row from the top, as x, y, x, y, ... */
export function gridPoints(side, edge) {
  const points = new Float32Array(2 * side * side);
  const at = (i) => edge * ((2 * i + 1) / side - 1);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      points.set([at(column), -at(row)], 2 * (row * side + column));
    }
  }
  return points;
}

/** Draws `value(i)` of each point of a grid on a canvas of its size. */
export function drawHeatmap(canvas, side, value, dark) {
  if (canvas.width !== side) Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext("2d");
  const image = (images[side] ??= context.createImageData(side, side));
  const pixels = new Uint32Array(image.data.buffer);
  const table = dark ? tables.dark : tables.light;
  for (let i = 0; i < side * side; i++) {
    pixels[i] = table[Math.round(127 * Math.max(-1, Math.min(1, value(i) || 0))) + 127];
  }
  context.putImageData(image, 0, 0);
}

const images = {};
const levels = Array.from({ length: 255 }, (_, i) => (i - 127) / 127);
const tables = { light: packed(false), dark: packed(true) };

/** The colours of all levels, each in 32 bits as a canvas has them. */
function packed(dark) {
  const bytes = Uint8Array.from(levels.flatMap((level) => signedColour(level, dark).concat(255)));
  return new Uint32Array(bytes.buffer);
}
