// Where the windows of convolutions can lie, and those of transposed ones.

const STRIDES = [1, 2, 3, 4];
const DILATIONS = [1, 2, 3, 4, 8, 16];

/**
 * Windows of a convolution, one for each axis: `at(place, k)` is the place that the weight `k` of a
 * number reads, null for none. Those that are the same along all axes come first, or alone, and those
 * of a transposed convolution last.
 */
export function windows(sizes, from, to, isSame = false) {
  return [windowsAlong, transposedAlong].flatMap((kind) => {
    let found = [[]];
    for (const [axis, size] of sizes.entries()) {
      const own = kind(size, from[axis], to[axis]);
      found = found.flatMap((start) => own.map((next) => start.concat(next)));
    }
    const same = found.filter((window) => unlike(window) === 2);
    return isSame ? same : found.toSorted((a, b) => unlike(a) - unlike(b));
  });
}

/** The number of strides and dilations among the axes of a window. */
function unlike(window) {
  const strides = new Set(window.map(({ stride }) => stride));
  return strides.size + new Set(window.map(({ dilation }) => dilation)).size;
}

/**
 * Where windows of a size can lie along an axis, of which they make so many numbers: strides,
 * dilations and paddings in front. It may be the half of what all windows lack, or all of it.
 */
function windowsAlong(size, from, to) {
  return scalesOf(size, from).flatMap(({ stride, dilation }) => {
    const span = (size - 1) * dilation;
    const extra = Math.max(0, (to - 1) * stride + span + 1 - from);
    const count = (padding) => Math.floor((from + padding - span - 1) / stride) + 1;
    const half = [Math.floor((size - 1) / 2) * dilation, Math.floor(size / 2) * dilation];
    const paddings = [0, ...half].filter((padding) => count(2 * padding) === to);
    if (Math.ceil(from / stride) === to) paddings.unshift(Math.floor(extra / 2), extra);
    return Array.from(new Set(paddings), (padding) => {
      const at = (place, k) => place * stride + k * dilation - padding;
      return { stride, dilation, at };
    });
  });
}

/**
 * The same of a transposed convolution, in which a number spreads over a window, of which the front
 * is cropped: as much as of all that is more than a stride, or equally at both ends.
 */
function transposedAlong(size, from, to) {
  return scalesOf(size, from).flatMap(({ stride, dilation }) => {
    const span = (size - 1) * dilation + 1;
    const extra = (from - 1) * stride + span - to;
    const even = [Math.floor(extra / 2), Math.ceil(extra / 2), ...evenCrops(extra, stride)];
    const same = from * stride === to ? [Math.floor(Math.max(0, span - stride) / 2)] : [];
    const isHalf = (crop) => crop >= 0 && 2 * crop <= span;
    const crops = new Set([...same, ...even].filter(isHalf));
    if (to < from || extra <= -stride) return [];
    return Array.from(crops, (crop) => {
      const at = (place, k) => {
        const read = (place + crop - k * dilation) / stride;
        return Number.isInteger(read) ? read : null;
      };
      return { stride, dilation, at };
    });
  });
}

/** Crops of both ends, after which the end may have less than a stride of additional numbers. */
function evenCrops(extra, stride) {
  const more = Array.from({ length: stride }, (_, i) => i);
  return more.filter((n) => (extra + n) % 2 === 0).map((n) => (extra + n) / 2);
}

/** Strides and dilations, of which some other weight than that of the middle reads a number. */
function scalesOf(size, from) {
  const wide = DILATIONS.filter((dilation) => dilation === 1 || (size - 1) * dilation < 2 * from);
  const dilations = size > 1 ? wide : [1];
  return STRIDES.flatMap((stride) => dilations.map((dilation) => ({ stride, dilation })));
}
