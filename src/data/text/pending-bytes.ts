import { isUtf8 } from 'node:buffer';

/**
 * Holds what a scanner has not consumed yet. A record that does not end in what is there is scanned again from its start
 * when twice as much has come: so the work stays linear in its length.
 */
export class PendingBytes {
  #pieces: Buffer[] = [];
  #length = 0;
  #wanted = 0;

  /** The bytes to scan now, or null: wait for more. */
  add(chunk: Buffer, final: boolean): Buffer | null {
    this.#length += chunk.length;
    if (!final && this.#length < this.#wanted) {
      // The chunk is its giver's: it is overwritten after the call.
      this.#pieces.push(Buffer.from(chunk));
      return null;
    }
    if (chunk.length > 0) this.#pieces.push(chunk);
    const [only] = this.#pieces;
    const bytes = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    return bytes;
  }

  /** Keeps, as a copy, the end that was not consumed. */
  keep(rest: Buffer): void {
    this.#pieces = rest.length === 0 ? [] : [Buffer.from(rest)];
    this.#length = rest.length;
    this.#wanted = rest.length * 2;
  }
}

/** True if the bytes, but for a character that is cut off at their end (unless they are `final`), are UTF-8 without NUL. */
export function isCleanText(bytes: Buffer, final: boolean): boolean {
  if (final) return !bytes.includes(0) && isUtf8(bytes);
  let end = bytes.length;
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      if (length > back) end = bytes.length - back;
      break;
    }
  }
  return !bytes.includes(0) && isUtf8(end === bytes.length ? bytes : bytes.subarray(0, end));
}
