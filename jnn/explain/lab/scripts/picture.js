// Drawing a value: tiles of cells, or bars, on one canvas.

import { css, isDark, signedColour } from "../../scripts/colours.js";
import { largest } from "./arrays.js";

const GAP = 3;
const [BARS, WIDEST_BAR] = [64, 60];

/** How large the cells are, and how the tiles lie side by side in so many pixels. */
export function geometry({ bars, tiles, rows, columns, stretched }, width, { tallest = 190 } = {}) {
  if (bars) {
    const wide = Math.min(width / columns, WIDEST_BAR);
    return { wide, tall: BARS, across: 1, width: wide * columns, height: BARS };
  }
  const side = tiles === 1 ? width : Math.sqrt((width * tallest) / tiles) - GAP;
  const most = tiles === 1 ? width : Math.min(width, Math.max(26, side));
  let wide = whole(Math.min(24, most / columns));
  let tall = whole(Math.min(20, tallest / rows));
  if (!stretched) wide = tall = Math.min(wide, tall);
  const across = Math.max(1, Math.min(tiles, Math.floor((width + GAP) / (columns * wide + GAP))));
  const down = Math.ceil(tiles / across);
  return {
    wide,
    tall,
    across,
    width: across * (columns * wide + GAP) - GAP,
    height: down * (rows * tall + GAP) - GAP,
  };
}

/** Whole pixels for a cell, where it has one at least. */
function whole(pixels) {
  return pixels >= 1 ? Math.floor(pixels) : pixels;
}

/** Draw a value; returns where its cells are, for `cellAt`. `marked` has a frame around it. */
export function draw(canvas, shape, data, options = {}) {
  const place = geometry(shape, options.width ?? canvas.parentElement.clientWidth, options);
  const ratio = globalThis.devicePixelRatio ?? 1;
  canvas.width = Math.max(1, Math.round(place.width * ratio));
  canvas.height = Math.max(1, Math.round(place.height * ratio));
  canvas.style.width = `${place.width}px`;
  canvas.style.height = `${place.height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const scale = options.scale ?? largest(data);
  const dark = isDark();
  if (shape.bars) drawBars(context, shape, data, place, scale, dark);
  else drawTiles(context, shape, data, place, scale, dark);
  if (options.marked) frame(context, shape, place, options.marked, dark);
  return place;
}

function drawTiles(context, shape, data, place, scale, dark) {
  const image = new ImageData(shape.columns, shape.rows);
  const small = new OffscreenCanvas(shape.columns, shape.rows);
  const brush = small.getContext("2d");
  context.imageSmoothingEnabled = place.wide < 1 || place.tall < 1;
  for (let tile = 0; tile < shape.tiles; tile++) {
    for (let row = 0; row < shape.rows; row++) {
      for (let column = 0; column < shape.columns; column++) {
        const colour = signedColour(data[shape.at(tile, row, column)] / scale, dark);
        image.data.set([...colour, 255], 4 * (row * shape.columns + column));
      }
    }
    brush.putImageData(image, 0, 0);
    const [x, y] = corner(shape, place, tile);
    context.drawImage(small, x, y, shape.columns * place.wide, shape.rows * place.tall);
  }
}

function drawBars(context, shape, data, place, scale, dark) {
  const hasNegative = data.some((x) => x < 0);
  const zero = hasNegative ? BARS / 2 : BARS - 1;
  const height = hasNegative ? BARS / 2 - 1 : BARS - 2;
  for (let column = 0; column < shape.columns; column++) {
    const share = data[shape.at(0, 0, column)] / scale;
    context.fillStyle = css(signedColour(Math.sign(share) * (0.35 + 0.65 * Math.abs(share)), dark));
    const length = Number.isFinite(share) ? Math.abs(share) * height : 0;
    const gap = place.wide > 4 ? 1 : 0;
    context.fillRect(
      column * place.wide,
      share < 0 ? zero : zero - length,
      place.wide - gap,
      length,
    );
  }
  context.fillStyle = dark ? "#5b6475" : "#b8c0cc";
  context.fillRect(0, zero, place.width, 1);
}

function corner(shape, place, tile) {
  const down = Math.floor(tile / place.across);
  const across = tile % place.across;
  return [across * (shape.columns * place.wide + GAP), down * (shape.rows * place.tall + GAP)];
}

function frame(context, shape, place, { tile, row, column }, dark) {
  const [x, y] = corner(shape, place, tile);
  context.strokeStyle = dark ? "#ffffff" : "#000000";
  if (shape.tiles > 1) {
    context.lineWidth = 2;
    context.strokeRect(x, y, shape.columns * place.wide, shape.rows * place.tall);
  }
  context.lineWidth = 1.5;
  const size = [Math.max(3, place.wide), Math.max(3, place.tall)];
  context.strokeRect(x + column * place.wide, y + (shape.bars ? 0 : row * place.tall), ...size);
}

/** The tile, row and column at a point of a canvas; null beside the cells. */
export function cellAt(shape, place, x, y) {
  if (shape.bars) {
    const column = Math.floor(x / place.wide);
    return column >= 0 && column < shape.columns ? { tile: 0, row: 0, column } : null;
  }
  const [wide, high] = [shape.columns * place.wide + GAP, shape.rows * place.tall + GAP];
  const tile = Math.floor(y / high) * place.across + Math.floor(x / wide);
  const column = Math.floor((x % wide) / place.wide);
  const row = Math.floor((y % high) / place.tall);
  const inside = x >= 0 && y >= 0 && tile < shape.tiles && x < place.width;
  if (!inside || column >= shape.columns || row >= shape.rows) return null;
  return { tile, row, column };
}
