// Values over the plane as a picture.

import { signedColour } from "../scripts/colours.js";

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
  const image = context.createImageData(side, side);
  const table = dark ? tables.dark : tables.light;
  for (let i = 0; i < side * side; i++) {
    const level = Math.round(127 * Math.max(-1, Math.min(1, value(i) || 0))) + 127;
    image.data.set(table[level], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

const levels = Array.from({ length: 255 }, (_, i) => (i - 127) / 127);
const tables = {
  light: levels.map((level) => signedColour(level, false).concat(255)),
  dark: levels.map((level) => signedColour(level, true).concat(255)),
};
