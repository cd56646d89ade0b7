const LF = 10;
const CR = 13;
/** Most fields are shorter: a call of `indexOf` costs as much as looking at so many bytes. */
const NEAR_BYTES = 64;

/** Index of the quote that ends a field; doubled quotes are passed over. -1: there is none yet. */
export function closingQuote(bytes: Buffer, from: number, quote: number): number {
  let at = from;
  for (;;) {
    const near = Math.min(bytes.length, at + NEAR_BYTES);
    while (at < near && bytes[at] !== quote) at += 1;
    if (at === near && at < bytes.length) at = bytes.indexOf(quote, at);
    if (at < 0 || at >= bytes.length) return -1;
    if (bytes[at + 1] !== quote) return at;
    at += 2;
  }
}

export function hasQuote(bytes: Buffer, start: number, stop: number, quote: number): boolean {
  const near = Math.min(stop, start + NEAR_BYTES);
  for (let at = start; at < near; at += 1) if (bytes[at] === quote) return true;
  const found = stop > near ? bytes.indexOf(quote, near) : -1;
  return found !== -1 && found < stop;
}

/** Line ends between two places: LF, CR and CRLF each count once. */
export function lineEnds(bytes: Buffer, start: number, stop: number): number {
  let count = 0;
  for (let at = start; at < stop; at += 1) {
    const byte = bytes[at];
    if (byte === LF || (byte === CR && !(bytes[at + 1] === LF && at + 1 < stop))) count += 1;
  }
  return count;
}
