// What the rules of jnn.web call: functions that JavaScript's Math does not have.

/** The typed array that base64 text holds, as `data(Float32Array, "AACAPw==")`. */
function data(kind, text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new kind(bytes.buffer);
}

/** base64, where the engine has none. */
function atob(text) {
  if (typeof globalThis.atob === "function") return globalThis.atob(text);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  let pending = 0;
  let count = 0;
  let result = "";
  for (const letter of text.replace(/=+$/, "")) {
    pending = ((pending << 6) | letters.indexOf(letter)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      result += String.fromCharCode((pending >> count) & 255);
    }
  }
  return result;
}

const square = (x) => x * x;

/** A polynomial by Horner's rule, coefficients from the lowest degree to the highest. */
const polynomial = (x, ...coefficients) => coefficients.reduceRight((sum, a) => sum * x + a, 0);

/** x to the power y; JavaScript gives NaN for 1 to an infinite power, where C gives 1. */
const power = (x, y) => (x === 1 ? 1 : Math.pow(x, y));

/** An integer power, which wraps. */
function integerPower(x, n) {
  let y = 1;
  for (let i = 0; i < n; i++) y = Math.imul(y, x);
  return y;
}

/** The quotient of integers, which wraps; of a division by zero all bits are set. */
const quotient = (x, y) => (y === 0 ? -1 : (x / y) | 0);

/** The rest of integers; of a division by zero it is the number itself. */
const remainder = (x, y) => (y === 0 ? x : x % y);

/** Half goes to the even neighbour; the sign stays, of zero too. */
function roundToEven(x) {
  const size = Math.abs(x);
  const down = Math.floor(size);
  const rest = size - down;
  const isUp = rest > 0.5 || (rest === 0.5 && down % 2 === 1);
  return Math.sign(x) * (isUp ? down + 1 : down);
}

const roundFromZero = (x) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/** A float as an integer, cut and clamped as XLA does it. */
const toInteger = (x, least, most) =>
  x !== x ? 0 : Math.min(Math.max(Math.trunc(x), least), most);

/** The float32 next to x, towards y. */
function nextAfter(x, y) {
  if (x === y || x !== x || y !== y) return x === y ? y : NaN;
  float[0] = x;
  if (x === 0) word[0] = y > 0 ? 1 : -2147483647;
  else word[0] += x < y === x > 0 ? 1 : -1;
  return float[0];
}

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

/** A float32 rounded to an exponent and a mantissa of so many bits, half to even. */
function reducePrecision(x, exponent, mantissa) {
  if (!Number.isFinite(x) || x === 0) return x;
  float[0] = x;
  const last = 1 << (23 - mantissa);
  if (last > 1) {
    word[0] += (last >> 1) - 1 + (word[0] & last ? 1 : 0);
    word[0] &= -last;
  }
  const size = (word[0] >> 23) & 255;
  const range = 2 ** (exponent - 1) - 1;
  if (size > 127 + range) return x > 0 ? Infinity : -Infinity;
  if (exponent < 8 && size <= 127 - range) return x > 0 ? 0 : -0;
  return float[0];
}

/** A number rounded to bfloat16. */
const bfloat16 = (x) => reducePrecision(x, 8, 7);

/** A number rounded to float16, which has smaller numbers of fewer bits too. */
function float16(x) {
  const single = Math.fround(x);
  if (Math.abs(single) >= 2 ** -14) return reducePrecision(single, 5, 10);
  return roundToEven(single * 2 ** 24) * 2 ** -24;
}

function bits(x) {
  let count = 0;
  for (let rest = x >>> 0; rest; rest &= rest - 1) count++;
  return count;
}

/** The error function: its series near zero, further out what erfc leaves of 1. */
function erf(x) {
  if (Math.abs(x) >= 2) return Math.sign(x) * (1 - erfc(Math.abs(x)));
  let term = x;
  let total = x;
  for (let n = 1; n < 60 && Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

/** 1 - erf(x), by a continued fraction where the difference would lose its digits. */
function erfc(x) {
  if (!(x >= 2)) return 1 - erf(x);
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
}

/** The inverse of erf, by Newton's method from Winitzki's formula. */
function inverseErf(y) {
  if (Math.abs(y) >= 1) return y === 1 ? Infinity : y === -1 ? -Infinity : NaN;
  const l = Math.log(1 - y * y);
  const a = 2 / (Math.PI * 0.147) + l / 2;
  let x = Math.sign(y) * Math.sqrt(Math.sqrt(a * a - l / 0.147) - a);
  for (let i = 0; i < 4; i++) {
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
    if (slope > 0) x -= (erf(x) - y) / slope;
  }
  return x;
}

function logAddExp(a, b) {
  const most = Math.max(a, b);
  return most === -Infinity ? most : most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}

/** The order of numbers, NaN being larger than all. */
const ascending = (a, b) =>
  a < b ? -1 : a > b ? 1 : a === b ? 0 : a !== a ? (b !== b ? 0 : 1) : -1;
/** The total order of IEEE 754, in which -0 is less than 0. */
const inOrder = (a, b) =>
  a === 0 && b === 0 ? Object.is(a, 0) - Object.is(b, 0) : ascending(a, b);
const descending = (a, b) => ascending(b, a);

/**
 * Householder's decomposition of m rows and n columns of `a`, signs as LAPACK's: k columns of `q`,
 * and `r` above the diagonal. Matrices are in C order, and begin at `atA`, `atQ` and `atR`.
 */
function qr(m, n, k, a, atA, q, atQ, r, atR) {
  const work = Float64Array.from(a.subarray(atA, atA + m * n));
  const scales = [];
  for (let j = 0; j < Math.min(m, n); j++) {
    let below = 0;
    for (let i = j + 1; i < m; i++) below += square(work[i * n + j]);
    const first = work[j * n + j];
    if (below === 0) {
      scales.push(0);
      continue;
    }
    const norm = Math.sqrt(square(first) + below);
    const diagonal = first >= 0 ? -norm : norm;
    scales.push((diagonal - first) / diagonal);
    for (let i = j + 1; i < m; i++) work[i * n + j] /= first - diagonal;
    work[j * n + j] = diagonal;
    for (let column = j + 1; column < n; column++) {
      reflect(work, n, column, work, n, j, m, scales[j]);
    }
  }
  const columns = new Float64Array(m * k);
  for (let i = 0; i < Math.min(m, k); i++) columns[i * k + i] = 1;
  for (let j = Math.min(m, n) - 1; j >= 0; j--) {
    for (let column = 0; column < k; column++) {
      reflect(columns, k, column, work, n, j, m, scales[j]);
    }
  }
  q.set(columns, atQ);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < n; j++) r[atR + i * n + j] = j >= i ? work[i * n + j] : 0;
  }
}

/** A column of x less scale v (v . column), where v is 1 and then column j of the work below it. */
function reflect(x, width, column, work, n, j, m, scale) {
  let t = x[j * width + column];
  for (let i = j + 1; i < m; i++) t += work[i * n + j] * x[i * width + column];
  t *= scale;
  x[j * width + column] -= t;
  for (let i = j + 1; i < m; i++) x[i * width + column] -= t * work[i * n + j];
}

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];

/** Threefry-2x32 with 20 rounds (Salmon et al. 2011): two random words for a key and a counter. */
function threefry(k0, k1, x, y) {
  const keys = [k0, k1, k0 ^ k1 ^ 0x1bd11bda];
  x = (x + k0) | 0;
  y = (y + k1) | 0;
  for (let round = 0; round < 5; round++) {
    for (const r of ROTATIONS[round % 2]) {
      x = (x + y) | 0;
      y = ((y << r) | (y >>> (32 - r))) ^ x;
    }
    x = (x + keys[(round + 1) % 3]) | 0;
    y = (y + keys[(round + 2) % 3] + round + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}
