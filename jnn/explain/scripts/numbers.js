// Numbers as people read them.

/** A number in few digits, with a proper minus sign. */
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  const isPlain = size === 0 || (size >= 1e-3 && size < 1e6);
  const text = isPlain
    ? String(Number(value.toPrecision(digits)))
    : value.toExponential(digits - 1).replace(/\.?0*e/, "e");
  return text.replaceAll("-", "−");
}

/** A number with so many decimals; a large one in few digits. */
export function fixed(value, decimals = 2) {
  if (!Number.isFinite(value) || Math.abs(value) >= 1e6) return short(value);
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? (0).toFixed(decimals) : text).replace("-", "−");
}
