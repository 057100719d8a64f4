// Arrays: from base64, in half precision, and what is computed of them.

const DTYPES = {
  float32: Float32Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  float16: Uint16Array,
};

/** The typed array that base64 text holds; float16 becomes float32. */
export function fromBase64(dtype, text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.codePointAt(0));
  const array = new DTYPES[dtype](bytes.buffer);
  return dtype === "float16" ? Float32Array.from(array, half) : array;
}

/** Whether numbers of a dtype are floats; all of them are kept as float32. */
export function isFloat(dtype) {
  return dtype.includes("float");
}

/** Whether floats of a dtype have fewer bits than float32. */
export function isHalf(dtype) {
  return isFloat(dtype) && dtype !== "float32";
}

/** Zeros of a dtype. */
export function zeros(dtype, length) {
  return new DTYPES[dtype](length);
}

/** The number of a half-precision word. */
export function half(word) {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Probabilities of logits, or of log-probabilities. */
export function softmax(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(logits, (z) => Math.exp(z - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** The largest size of numbers that are finite; 1 where all are zero. */
export function largest(numbers) {
  let most = 0;
  for (const x of numbers) if (Number.isFinite(x)) most = Math.max(most, Math.abs(x));
  return most || 1;
}

/** The product of sizes. */
export function product(sizes) {
  return sizes.reduce((a, b) => a * b, 1);
}
