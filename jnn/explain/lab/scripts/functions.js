// Functions of one number, by their names.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The error function, 2 / √π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export const FUNCTIONS = {
  relu: (x) => Math.max(0, x),
  sigmoid,
  tanh: Math.tanh,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  "gelu (tanh)": (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x * sigmoid(x),
  "leaky relu": (x) => (x < 0 ? 0.01 * x : x),
  "leaky relu (0.2)": (x) => (x < 0 ? 0.2 * x : x),
  elu: (x) => (x < 0 ? Math.expm1(x) : x),
  softplus: (x) => Math.log1p(Math.exp(x)),
  square: (x) => x * x,
};
