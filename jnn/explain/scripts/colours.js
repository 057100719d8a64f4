// Orange is positive and blue is negative, so that no reader needs to tell red from green.

const SIGNED = {
  light: [
    [0, 98, 160],
    [240, 238, 233],
    [200, 84, 0],
  ],
  dark: [
    [72, 160, 222],
    [33, 36, 43],
    [240, 138, 56],
  ],
};

const DARK = "(prefers-color-scheme: dark)";
let onPaper = false;

/** Whether the page is shown dark, which it never is on paper. */
export function isDark() {
  return !onPaper && matchMedia(DARK).matches;
}

/** Calls `draw` whenever the page is shown in the other colours, and before and after it is printed. */
export function onColours(draw) {
  const print = (isPrinted) => {
    onPaper = isPrinted;
    document.documentElement.classList.toggle("paper", onPaper);
    draw();
  };
  matchMedia(DARK).addEventListener("change", () => draw());
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
}

/** Red, green and blue of a value from -1 to 1; larger ones are as the ends. */
export function signedColour(value, dark) {
  const [low, middle, high] = dark ? SIGNED.dark : SIGNED.light;
  const x = Math.max(-1, Math.min(1, Number.isNaN(value) ? 0 : value));
  const end = x < 0 ? low : high;
  return middle.map((m, i) => Math.round(m + (end[i] - m) * Math.abs(x)));
}

/** A colour as CSS has it. */
export function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}
