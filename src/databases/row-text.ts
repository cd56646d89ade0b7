const QUOTE = 0x22;
const LF = 0x0a;
const NEEDS_QUOTES = /[",\r\n\\]/;

/**
 * Writes rows as the text that data/convert-rows.ts reads; pieces of about `pieceBytes` are handed over as they fill up.
 */
export class RowText {
  readonly #pieceBytes: number;
  #text = '';
  /** Rows written so far. */
  rows = 0;

  constructor(pieceBytes = 2 ** 18) {
    this.#pieceBytes = pieceBytes;
  }

  /** One row, null as null. A piece, when there is one to hand over. */
  row(fields: readonly (string | null)[]): Buffer | null {
    for (let at = 0; at < fields.length; at += 1) {
      const field = fields[at];
      if (at > 0) this.#text += ',';
      if (field === null || field === undefined) this.#text += '\\N';
      else if (field === '' || NEEDS_QUOTES.test(field)) this.#text += `"${field.replaceAll('"', '""')}"`;
      else this.#text += field;
    }
    this.#text += '\n';
    this.rows += 1;
    return this.#text.length < this.#pieceBytes ? null : this.rest();
  }

  /** What was not handed over yet. */
  rest(): Buffer {
    const piece = Buffer.from(this.#text);
    this.#text = '';
    return piece;
  }
}

/**
 * Finds where rows end in text that comes in pieces cut anywhere.
 */
export class RowEnds {
  #inQuotes = false;
  #sinceEnd = 0;
  /** At least as long as the longest row so far, and at most one piece longer. */
  longestRowBytes = 0;
  hasQuotes = false;

  /** Bytes of the piece up to and with its last row end; 0: no row ends in it. */
  push(piece: Buffer): number {
    const quotes: number[] = [];
    for (let at = piece.indexOf(QUOTE); at >= 0; at = piece.indexOf(QUOTE, at + 1)) quotes.push(at);
    if (quotes.length > 0) this.hasQuotes = true;
    const inside = this.#inQuotes !== (quotes.length % 2 === 1);
    let end = 0;
    let open = inside;
    let left = quotes.length;
    for (let at = piece.lastIndexOf(LF); at >= 0; at = at === 0 ? -1 : piece.lastIndexOf(LF, at - 1)) {
      while (left > 0 && (quotes[left - 1] as number) > at) {
        left -= 1;
        open = !open;
      }
      if (open) continue;
      end = at + 1;
      break;
    }
    this.#inQuotes = inside;
    this.longestRowBytes = Math.max(this.longestRowBytes, this.#sinceEnd + piece.length);
    this.#sinceEnd = end === 0 ? this.#sinceEnd + piece.length : piece.length - end;
    return end;
  }

  /** Is the last row ended? */
  get complete(): boolean {
    return this.#sinceEnd === 0;
  }
}
