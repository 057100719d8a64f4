// Points that the reader draws or pastes, as text: "x,y,class;x,y,class;...".

/** The points in the text of the state, at most so many; what is no point is left out. */
export function parsePoints(text, edge, most) {
  const rows = text.split(";").map((row) => row.split(",").map(Number));
  const good = rows.filter((row) => row.length === 3 && row.every(Number.isFinite));
  const inside = (value) => Math.max(-edge, Math.min(edge, value));
  return good.slice(0, most).map(([x, y, c]) => [inside(x), inside(y), c > 0 ? 1 : -1]);
}

/** Points as the text of the state. */
export function pointsText(points) {
  return points
    .map(([x, y, c]) => `${Number(x.toFixed(2))},${Number(y.toFixed(2))},${c}`)
    .join(";");
}

/** The points of a table pasted as CSV, scaled to the plane, or what is wrong with it.
 *
 * Two columns of numbers and one of two classes, with or without a heading.
 */
export function readTable(text, edge, most) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const rows = lines.map((line) => line.split(/[,;\t]/).map((cell) => cell.trim()));
  const body = rows.length > 0 && !rows[0].slice(0, 2).every(isNumber) ? rows.slice(1) : rows;
  const first = rows.length - body.length + 1;
  const bad = body.findIndex((row) => row.length !== 3 || !row.slice(0, 2).every(isNumber));
  if (bad >= 0) {
    return { error: `Row ${bad + first} needs two numbers and a class: 1.5, -0.3, cat` };
  }
  if (body.length < 4) return { error: `${body.length} rows, but at least 4 are needed.` };
  if (body.length > most) return { error: `${body.length} rows, but at most ${most} fit.` };
  const classes = [...new Set(body.map((row) => row[2]))];
  if (classes.length !== 2) {
    return { error: `Column 3 has ${classes.length} different classes, but needs exactly 2.` };
  }
  const scaled = [0, 1].map((column) =>
    spread(
      body.map((row) => Number(row[column])),
      edge,
    ),
  );
  const points = body.map((row, i) => [scaled[0][i], scaled[1][i], row[2] === classes[1] ? 1 : -1]);
  return { points, classes };
}

/** Whether the text of a cell is a number. */
function isNumber(cell) {
  return cell !== "" && Number.isFinite(Number(cell));
}

/** Numbers scaled to lie from -0.9 to 0.9 of the edge. */
function spread(values, edge) {
  const low = Math.min(...values);
  const half = (Math.max(...values) - low) / 2 || 1;
  return values.map((value) => 0.9 * edge * ((value - low) / half - 1));
}
