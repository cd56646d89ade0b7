import { decompress, UNCOMPRESSED } from './decompress.ts';
import { NotPlain } from './not-plain.ts';
import { type PageHeader, readPageHeader } from './page-header.ts';

export interface PlainChunk {
  readonly codec: number;
  readonly nullable: boolean;
  /** Bytes of a value. */
  readonly width: number;
  readonly rows: number;
}

/**
 * The values of a column chunk, one behind the other: a view of `target`, which has room for the chunk uncompressed, page
 * headers included. Where the codec is UNCOMPRESSED, `input` is the beginning of `target`.
 *
 * Throws, with anything in `target`, unless `input` is exactly pages of PLAIN values for so many rows, none of them null
 * by the definition levels themselves (statistics are hearsay).
 */
export function plainValues(chunk: PlainChunk, input: Uint8Array, target: Uint8Array): Uint8Array {
  const { codec, nullable, width, rows } = chunk;
  let seen = 0;
  let start = 0;
  // Of the values so far, in `target`.
  let filled = 0;
  for (let at = 0; at < input.length; ) {
    const header = readPageHeader(input, at);
    const body = at + header.headerBytes;
    at = body + header.storedBytes;
    const values = header.values * width;
    if (at > input.length || header.values > rows - seen)
      throw new NotPlain('a page is larger than its chunk');
    const isFirst = seen === 0;
    if (isFirst && codec === UNCOMPRESSED) filled = body;
    const unpacked = unpackPage(header, codec, input.subarray(body, at), target, filled);
    const levels = nullable ? provePresent(header, unpacked) : header.levelBytes;
    if (unpacked.length - levels !== values) throw new NotPlain('a page has no value for some row');
    // The first page stays where it is, later ones close up.
    if (isFirst) {
      start = filled + levels;
      filled = start;
    } else if (levels > 0) target.copyWithin(filled, filled + levels, filled + levels + values);
    filled += values;
    seen += header.values;
  }
  if (seen !== rows) throw new NotPlain('a column chunk has fewer values than its row group has rows');
  return target.subarray(start, filled);
}

/** Levels and values of a page, uncompressed, in `target` from `to` on. */
function unpackPage(
  header: PageHeader,
  codec: number,
  body: Uint8Array,
  target: Uint8Array,
  to: number,
): Uint8Array {
  const { uncompressedBytes, levelBytes } = header;
  if (uncompressedBytes > target.length - to || levelBytes > Math.min(uncompressedBytes, body.length)) {
    throw new NotPlain('a page is larger than its chunk');
  }
  const unpacked = target.subarray(to, to + uncompressedBytes);
  if (codec === UNCOMPRESSED || !header.isCompressed) {
    if (body.length !== unpacked.length) throw new NotPlain('a page has two lengths');
    // Nothing moves when it lies there already; else it moves towards the beginning, over what has been read.
    if (body.byteOffset !== unpacked.byteOffset || body.buffer !== unpacked.buffer) unpacked.set(body);
    return unpacked;
  }
  unpacked.set(body.subarray(0, levelBytes));
  decompress(codec, body.subarray(levelBytes), unpacked.subarray(levelBytes));
  return unpacked;
}

/** Bytes of the definition levels that a page begins with, proven to be runs of 1 over exactly all its values. */
function provePresent(header: PageHeader, page: Uint8Array): number {
  let at = 0;
  let end = header.levelBytes;
  if (header.version === 1) {
    if (page.length < 4) throw new NotPlain('a page has no levels');
    at = 4;
    end = 4 + new DataView(page.buffer, page.byteOffset).getUint32(0, true);
  }
  if (end > page.length) throw new NotPlain('a page is shorter than its levels');
  let proven = 0;
  while (at < end) {
    // A run: twice its length as a varint (odd: bits one by one), then its value.
    let run = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = at < end ? (page[at] as number) : 0xff;
      at += 1;
      run += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      if (scale > 2 ** 28) throw new NotPlain('wrong levels');
    }
    if (at >= end || run % 2 !== 0 || page[at] !== 1) throw new NotPlain('a page may hold nulls');
    at += 1;
    proven += run / 2;
  }
  if (proven !== header.values) throw new NotPlain('levels for another number of values');
  return end;
}
