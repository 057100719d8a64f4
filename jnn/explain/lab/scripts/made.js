// An explanation of a number that is not a sum: the numbers that it is made of.

/** A made number: `parts(place)` are the numbers that it is made of, by what they are. */
export function made(kind, text, number, parts) {
  return { kind, text, number, parts };
}

/** A number of an earlier value, by its name. */
export function part(source, place, name = source.path) {
  return { name, source, place, value: source.get(place) };
}

/** A number that is that of another place: `from(place)` is the value, and the place there. */
export function taken(kind, text, from, name) {
  const number = (at) => {
    const [source, place] = from(at);
    return source.get(place);
  };
  return made(kind, text, number, (at) => [part(...from(at), name)]);
}

/** Whether there is a step before; what the memory was before the first one may not be seen. */
export function hasBefore(at) {
  return at.time > 0;
}
