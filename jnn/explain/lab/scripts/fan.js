// A forecast with its quantiles: a line in a fan.

import { css, isDark, signedColour } from "../../scripts/colours.js";
import { short } from "../../scripts/numbers.js";

const [HIGH, EDGE] = [110, 10];

/** Draw means (H,) and quantiles (Q, H), in the unit of the target. */
export function drawFan(canvas, means, quantiles, width) {
  const ratio = globalThis.devicePixelRatio ?? 1;
  canvas.width = width * ratio;
  canvas.height = HIGH * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${HIGH}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const H = means.length;
  const Q = quantiles.length / H;
  const all = [...means, ...quantiles];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (h) => EDGE + (h / Math.max(1, H - 1)) * (width - 2 * EDGE);
  const y = (value) => HIGH - EDGE - ((value - low) / (high - low || 1)) * (HIGH - 2 * EDGE);
  const colour = signedColour(0.9, isDark());
  for (let q = 0; q < Math.floor(Q / 2); q++) {
    context.fillStyle = css(colour, 0.22);
    context.beginPath();
    for (let h = 0; h < H; h++) context.lineTo(x(h), y(quantiles[q * H + h]));
    for (let h = H - 1; h >= 0; h--) context.lineTo(x(h), y(quantiles[(Q - 1 - q) * H + h]));
    context.fill();
  }
  context.strokeStyle = css(colour);
  context.lineWidth = 2;
  context.beginPath();
  means.forEach((value, h) => context.lineTo(x(h), y(value)));
  context.stroke();
  context.fillStyle = isDark() ? "#a3abba" : "#5b6475";
  context.font = "11px sans-serif";
  context.fillText(short(high, 4), 0, EDGE);
  context.fillText(short(low, 4), 0, HIGH - 1);
}
