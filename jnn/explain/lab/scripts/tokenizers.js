// Texts as tokens, and tokens as texts, as jnn's tokenizers have them.

const WORD = String.raw`\p{L}\p{M}\p{N}_`;
const PIECES = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const NOTHING = { index: new Map(), parts: () => [] };
const UNKNOWN_CHARACTER = "\uFFFD"; // which is written for a character that has no token

/**
 * The tokenizer that the page's data describe: `encode(text)`, `read(text)` of what `written(tokens)`
 * gave, in which an unknown token is itself, the parts `missing(text)` for which there is no token,
 * `text(token)`, `canEncode`.
 */
export function tokenizer(data) {
  const kinds = { characters, words, "byte pairs": bytePairs };
  const canEncode = Boolean(kinds[data.kind] && data.encodes);
  const { parts, index } = canEncode ? kinds[data.kind](data) : NOTHING;
  const { unknown } = data.special;
  const gap = unknown === undefined ? null : textOfUnknown(data);
  const between = (text) => (gap === null ? [text] : text.split(gap));
  const encode = (text) =>
    parts(text)
      .map((part) => index.get(part) ?? unknown)
      .filter((token) => token !== undefined);
  return {
    canEncode,
    encode,
    read: (text) => between(text).flatMap((own, i) => (i ? [unknown] : []).concat(encode(own))),
    missing: (text) => [
      ...new Set(between(text).flatMap((own) => parts(own).filter((part) => !index.has(part)))),
    ],
    text: (token) => data.tokens[token] ?? "",
    written: (tokens) => written(data, tokens),
    special: data.special,
  };
}

/** A token for each character. */
function characters({ tokens, special }) {
  return { index: ordinary(tokens, special), parts: (text) => Array.from(text) };
}

/** A token for each match of a pattern, which is written as Python has it. */
function words({ tokens, special, lower, pattern }) {
  const expression = new RegExp(unicode(pattern), "gu");
  const parts = (text) => (lower ? text.toLowerCase() : text).match(expression) ?? [];
  return { index: ordinary(tokens, special), parts };
}

/** Pairs of bytes merged in the order in which they were learned (Sennrich et al. 2016). */
function bytePairs({ pieces, merges }) {
  const index = new Map(pieces.map((piece, i) => [piece, i]));
  const rank = new Map(merges.map((pair, i) => [pair, i]));
  const parts = (text) => (text.match(PIECES) ?? []).flatMap((word) => merged(word, rank));
  return { index, parts };
}

function merged(word, rank) {
  const parts = Array.from(new TextEncoder().encode(word), byteCharacter);
  for (;;) {
    const ranks = parts.slice(1).map((part, i) => rank.get(`${parts[i]} ${part}`) ?? Infinity);
    const best = Math.min(...ranks);
    if (best === Infinity || !ranks.length) return parts;
    const i = ranks.indexOf(best);
    parts.splice(i, 2, parts[i] + parts[i + 1]);
  }
}

/** The character by which byte-level tokenizers write a byte. */
export function byteCharacter(byte) {
  if (isPrinted(byte)) return String.fromCodePoint(byte);
  let others = 0;
  for (let b = 0; b < byte; b++) if (!isPrinted(b)) others++;
  return String.fromCodePoint(0x100 + others);
}

function isPrinted(byte) {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
}

/** The tokens that are not special, by their text. */
function ordinary(tokens, special) {
  const hidden = new Set(Object.values(special));
  return new Map(tokens.flatMap((text, i) => (hidden.has(i) ? [] : [[text, i]])));
}

/** A regular expression of Python, in which \w is a letter of any language. */
export function unicode(pattern) {
  let isInside = false;
  return pattern.replaceAll(/\\.|\[|\]/gu, (part) => {
    if (part === "[") isInside = true;
    if (part === "]") isInside = false;
    if (part === String.raw`\w`) return isInside ? WORD : `[${WORD}]`;
    return part;
  });
}

/** What is written for an unknown token. */
function textOfUnknown({ kind, tokens, special }) {
  return kind === "characters" ? UNKNOWN_CHARACTER : tokens[special.unknown];
}

/** The text of tokens, without the special ones but the unknown one. */
function written(data, tokens) {
  const { unknown, ...others } = data.special;
  const hidden = new Set(Object.values(others));
  const shown = tokens.filter((token) => !hidden.has(token));
  if (data.pieces) return textOfBytes(shown.map((token) => data.pieces[token]).join(""));
  const texts = shown.map((token) =>
    token === unknown ? textOfUnknown(data) : data.tokens[token],
  );
  return texts.join(data.kind === "words" ? " " : "");
}

/** The text of the bytes that characters stand for. */
function textOfBytes(text) {
  const bytes = new Map(Array.from({ length: 256 }, (_, byte) => [byteCharacter(byte), byte]));
  const found = Array.from(text, (character) => bytes.get(character) ?? []).flat();
  return new TextDecoder().decode(Uint8Array.from(found));
}
