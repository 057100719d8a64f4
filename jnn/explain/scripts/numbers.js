// Numbers as people read them.

/** A number in few digits, with a proper minus sign. */
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-3 || size >= 1e5)
      ? value.toExponential(1).replace(".0e", "e")
      : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", "−");
}

/** A number with so many decimals; a large one in few digits. */
export function fixed(value, decimals = 2) {
  if (!Number.isFinite(value) || Math.abs(value) >= 1e6) return short(value);
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? (0).toFixed(decimals) : text).replace("-", "−");
}
