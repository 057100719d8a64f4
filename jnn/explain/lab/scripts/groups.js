// The moments of groups of units, over the places of a picture or a sequence.

/**
 * Functions from a place to a mean and a variance: for each number of groups that divides the units,
 * over all places, and over those of the last axes alone.
 */
export function ofGroups(source) {
  const axes = source.own.filter(({ name }) => name !== "unit");
  const units = source.size("unit");
  const counts = Array.from({ length: units }, (_, i) => i + 1).filter((n) => units % n === 0);
  const fixed = axes.map((_, i) => i);
  return fixed.flatMap((n) => {
    const places = placesOf(axes.slice(n));
    const names = axes.slice(0, n).map(({ name }) => name);
    return counts.map((groups) => groupMoments(source, places, names, units / groups));
  });
}

/** The moments over `size` units at `places`, in which axes with these `names` stay as they are. */
function groupMoments(source, places, names, size) {
  const known = new Map();
  return (_source, at) => {
    const group = Math.floor((at.unit ?? 0) / size);
    const stay = Object.fromEntries(names.map((name) => [name, at[name]]));
    const key = [at.stack ?? 0, group, ...Object.values(stay)].join();
    if (!known.has(key)) {
      const own = Array.from({ length: size }, (_, i) => group * size + i);
      const all = places.flatMap((place) =>
        own.map((unit) => source.get({ ...place, ...stay, unit, stack: at.stack })),
      );
      known.set(key, moments(all));
    }
    return known.get(key);
  };
}

/** All places along some axes. */
function placesOf(axes) {
  let found = [{}];
  for (const { name, n } of axes) {
    const numbers = Array.from({ length: n }, (_, i) => i);
    found = found.flatMap((place) => numbers.map((i) => Object.assign({ [name]: i }, place)));
  }
  return found;
}

/** The mean and the variance of numbers. */
export function moments(x) {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  return [mean, x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length];
}
