/** Random numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes with one to `most` places changed: a byte of `alphabet` put in or over another, bytes taken out, a piece doubled. */
export function mutate(bytes: Buffer, alphabet: Buffer, random: () => number, most = 5): Buffer {
  let result = bytes;
  const edits = 1 + Math.floor(random() * most);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = Math.floor(random() * (result.length + 1));
    const length = 1 + Math.floor(random() * 4);
    const byte = alphabet.subarray(Math.floor(random() * alphabet.length)).subarray(0, 1);
    const kind = Math.floor(random() * 4);
    const piece =
      kind === 3
        ? Buffer.concat([result.subarray(at, at + length * 4), result.subarray(at, at + length * 4)])
        : byte;
    const skipped = kind === 0 ? 0 : kind === 1 ? 1 : kind === 2 ? length : length * 4;
    result = Buffer.concat([
      result.subarray(0, at),
      kind === 2 ? Buffer.alloc(0) : piece,
      result.subarray(at + skipped),
    ]);
  }
  return result;
}
