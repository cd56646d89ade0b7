import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ElementType } from '../core/columns.ts';
import type { RowRange } from '../core/snapshot.ts';
import { elementBytes } from './batch-queue.ts';
import { CODECS, UNCOMPRESSED } from './decompress.ts';
import { NotPlain } from './not-plain.ts';
import { type ColumnChunk, type ParquetColumn, type RowGroup, readFooter } from './parquet-footer.ts';
import { plainValues } from './plain-pages.ts';

/** Bytes that the wanted columns of one row group may take uncompressed: all of them are held at once. */
const MAX_GROUP_BYTES = 96 * 2 ** 20;
/** Of footers; a larger one is left to DuckDB. */
const MAX_FOOTER_BYTES = 64 * 2 ** 20;
/** What is read of a file's end at first. */
const TAIL_BYTES = 64 * 1024;

/** How values that need no check lie in a file, and what DuckDB calls such a column. */
const PLAIN_TYPES: Partial<
  Readonly<Record<ElementType, { physical: number; converted: number | null; duckdb: string }>>
> = {
  float32: { physical: 4, converted: null, duckdb: 'FLOAT' },
  float64: { physical: 5, converted: null, duckdb: 'DOUBLE' },
  int32: { physical: 1, converted: 17, duckdb: 'INTEGER' },
  int64: { physical: 2, converted: 18, duckdb: 'BIGINT' },
};

/** Whether a column that DuckDB calls so may be read as it lies. */
export function isPlainType(duckdbType: string, wanted: ElementType): boolean {
  return PLAIN_TYPES[wanted]?.duckdb === duckdbType;
}

export interface PlainColumn {
  readonly column: string;
  readonly type: ElementType;
}

/**
 * A Parquet file whose wanted columns lie as the values that are wanted: PLAIN pages, flat, no dictionary. Whether they do
 * is decided by the footer when it is opened (nulls show in the pages only). Every method throws when the file is
 * something else; reads are synchronous: from the page cache 20 columns of a million rows take 5 ms, while another
 * thread would disturb the model's.
 */
export class PlainFile {
  readonly #file: number;
  readonly #columns: readonly PlainColumn[];
  readonly #nullable: readonly boolean[];
  readonly rows: number;
  /** Those that hold rows of the range, in order. */
  readonly rowGroups: readonly RowGroup[];

  constructor(path: string, columns: readonly PlainColumn[], rows: RowRange) {
    this.#columns = columns;
    this.#file = openSync(path, 'r');
    try {
      const end = fstatSync(this.#file).size;
      const { metadata, at } = this.#readMetadata(end);
      const footer = readFooter(
        metadata,
        columns.map(({ column }) => column),
        rows,
      );
      if (rows.end > footer.rows) throw new NotPlain('the file has fewer rows than the range');
      for (const [index, column] of footer.columns.entries())
        requireType(column, columns[index] as PlainColumn);
      for (const group of footer.rowGroups) requirePlain(group, columns, at);
      this.#nullable = footer.columns.map(({ nullable }) => nullable);
      this.rows = footer.rows;
      this.rowGroups = footer.rowGroups;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** The values of one column of a row group; valid until `buffers` is given for the same column again. */
  read(group: RowGroup, index: number, buffers: ColumnBuffers): Uint8Array {
    const chunk = group.chunks[index] as ColumnChunk;
    const { codec, storedBytes, uncompressedBytes } = chunk;
    const target = buffers.column(
      index,
      Math.max(uncompressedBytes, codec === UNCOMPRESSED ? storedBytes : 0),
    );
    const input = codec === UNCOMPRESSED ? target.subarray(0, storedBytes) : buffers.stored(storedBytes);
    this.#read(input, chunk.offset);
    const { type } = this.#columns[index] as PlainColumn;
    const shape = {
      codec,
      nullable: this.#nullable[index] === true,
      width: elementBytes(type),
      rows: group.rows,
    };
    return plainValues(shape, input, target);
  }

  close(): void {
    closeSync(this.#file);
  }

  #readMetadata(end: number): { metadata: Uint8Array; at: number } {
    const tail = new Uint8Array(Math.min(end, TAIL_BYTES));
    this.#read(tail, end - tail.length);
    if (tail.length < 12 || Buffer.from(tail.subarray(-4)).toString('latin1') !== 'PAR1') {
      throw new NotPlain('the file does not end like Parquet');
    }
    const bytes = new DataView(tail.buffer).getUint32(tail.length - 8, true);
    const at = end - 8 - bytes;
    if (at < 4 || bytes > MAX_FOOTER_BYTES) throw new NotPlain('the footer is larger than what is read');
    if (bytes + 8 <= tail.length) return { metadata: tail.subarray(tail.length - 8 - bytes, -8), at };
    const metadata = new Uint8Array(bytes);
    this.#read(metadata, at);
    return { metadata, at };
  }

  #read(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length; ) {
      const bytes = readSync(this.#file, target, done, target.length - done, position + done);
      if (bytes === 0) throw new NotPlain('the file ends early');
      done += bytes;
    }
  }
}

/** Memory for the row group in hand, used again for the next. */
export class ColumnBuffers {
  readonly #columns: Uint8Array[] = [];
  #stored: Uint8Array = new Uint8Array();

  column(index: number, bytes: number): Uint8Array {
    const buffer = withRoom(this.#columns[index], bytes);
    this.#columns[index] = buffer;
    return buffer.subarray(0, bytes);
  }

  /** For the bytes of one column chunk as they are in the file. */
  stored(bytes: number): Uint8Array {
    this.#stored = withRoom(this.#stored, bytes);
    return this.#stored.subarray(0, bytes);
  }
}

/** Row groups differ by a few bytes: a little more room than asked for. */
function withRoom(buffer: Uint8Array | undefined, bytes: number): Uint8Array {
  if (buffer !== undefined && buffer.length >= bytes) return buffer;
  return Buffer.allocUnsafeSlow(bytes + (bytes >> 4));
}

function requireType(column: ParquetColumn, { type }: PlainColumn): void {
  const plain = PLAIN_TYPES[type];
  const fits =
    plain !== undefined &&
    column.type === plain.physical &&
    (column.convertedType === null || column.convertedType === plain.converted) &&
    (column.logicalType === null || column.logicalType === type);
  if (!fits) throw new NotPlain(`column ${column.name} does not lie as ${type}`);
}

const PLAIN = 0;
const RLE = 3;
/** parquet-mr lists it for levels that it does not write; each page's header tells. */
const BIT_PACKED = 4;

function requirePlain(group: RowGroup, columns: readonly PlainColumn[], dataEnd: number): void {
  let held = 0;
  for (const [index, chunk] of group.chunks.entries()) {
    const { type } = columns[index] as PlainColumn;
    held += Math.max(chunk.uncompressedBytes, chunk.storedBytes);
    const fits =
      chunk.type === PLAIN_TYPES[type]?.physical &&
      CODECS.has(chunk.codec) &&
      chunk.encodings.every(
        (encoding) => encoding === PLAIN || encoding === RLE || encoding === BIT_PACKED,
      ) &&
      !chunk.hasDictionary &&
      chunk.values === group.rows &&
      chunk.offset >= 4 &&
      chunk.offset + chunk.storedBytes <= dataEnd;
    if (!fits) throw new NotPlain(`column ${columns[index]?.column} is not in plain pages`);
  }
  if (held > MAX_GROUP_BYTES) throw new NotPlain('a row group is too large to be held');
}
