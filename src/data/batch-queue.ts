import {
  type Column,
  ELEMENT_ARRAYS,
  type ElementType,
  type RecordBatch,
  type Values,
} from '../core/columns.ts';

/** Values of one column of a chunk: the bytes of fixed-width values, or strings, or lists of fixed-width values. */
export type ChunkColumn = Uint8Array | readonly string[] | ChunkLists;

/** Lists, each of which is a piece of `bytes`. */
export interface ChunkLists {
  readonly bytes: Uint8Array;
  /** Four numbers for each row, as DuckDB's two of 64 bits lie: first element, 0, number of elements, 0. */
  readonly entries: Uint32Array;
}

export interface QueuedFeature {
  readonly column: string;
  readonly type: ElementType;
  /** Present: a column of lists. */
  readonly list?: readonly (number | null)[];
}

/**
 * Records on their way from chunks to batches. They are laid out as batches of the size that was asked for last, so that
 * each value is copied once: per element type one `[F, stride]` block, columns in the order of the request. Lists lie row by row
 * in a block of their own; where their length changes, a batch ends.
 */
export class BatchQueue {
  readonly #features: readonly QueuedFeature[];
  /** Indexes of the columns of lists. */
  readonly #lists: readonly number[];
  /** Per feature, its position among those of its type. */
  readonly #slots: readonly number[];
  readonly #counts = new Map<ElementType, number>();
  #blocks: Block[] = [];
  #free: Block[] = [];
  #lent: Block | null = null;
  #stride = 0;
  rows = 0;

  constructor(features: readonly QueuedFeature[]) {
    this.#features = features;
    this.#lists = features.flatMap(({ list }, index) => (list === undefined ? [] : [index]));
    this.#slots = features.map(({ type, list }) => {
      if (list !== undefined) return -1;
      const slot = this.#counts.get(type) ?? 0;
      this.#counts.set(type, slot + 1);
      return slot;
    });
  }

  /** From here on batches of `rows` records are laid out; what waits is laid out anew. */
  resize(rows: number): void {
    if (rows === this.#stride) return;
    const waiting = this.#blocks;
    this.#blocks = [];
    this.#free = [];
    this.#stride = rows;
    this.rows = 0;
    for (const block of waiting) {
      const columns = this.#features.map((_, index) => this.#chunkColumn(block, index));
      this.push(block.rowNumbers.subarray(0, block.filled), columns, 0, block.filled);
    }
  }

  /** Copies rows [from, to) of a chunk to the end of the queue. */
  push(rowNumbers: Float64Array, columns: readonly ChunkColumn[], from: number, to: number): void {
    this.rows += to - from;
    for (let at = from; at < to; ) {
      const block = this.#open(columns, at);
      const end = this.#sameLengths(columns, at, Math.min(to, at + this.#stride - block.filled));
      block.rowNumbers.set(rowNumbers.subarray(at, end), block.filled);
      for (const [index, source] of columns.entries()) this.#copy(block, index, source, at, end);
      block.filled += end - at;
      at = end;
    }
  }

  /** The next batch, its buffers valid until the next call; null when there are no records at all. */
  take(): RecordBatch | null {
    if (this.#lent !== null && this.#lent.stride === this.#stride) this.#free.push(this.#lent);
    this.#lent = this.#blocks.shift() ?? null;
    const block = this.#lent;
    if (block === null) return null;
    this.rows -= block.filled;
    const rows = block.filled;
    block.filled = 0;
    if (rows === block.stride && this.#lists.length === 0)
      return { rows, rowNumbers: block.rowNumbers, columns: block.columns };
    if (rows < block.stride) this.#tighten(block, rows);
    return {
      rows,
      rowNumbers: block.rowNumbers.subarray(0, rows),
      columns: this.#features.map((feature, index) => this.#columnOf(block, feature, index, rows)),
    };
  }

  /** The block for a row: the last one, unless it is full or holds lists of another length. */
  #open(columns: readonly ChunkColumn[], row: number): Block {
    const last = this.#blocks.at(-1);
    const fits = (block: Block): boolean =>
      this.#lists.every((index) => block.lists.get(index)?.length === listLength(columns[index], row));
    if (last !== undefined && last.filled < last.stride && fits(last)) return last;
    const block = this.#free.pop() ?? this.#create(this.#stride);
    for (const index of this.#lists) {
      const bytes = block.lists.get(index)?.bytes ?? new Uint8Array();
      block.lists.set(index, { bytes, length: listLength(columns[index], row) });
    }
    this.#blocks.push(block);
    return block;
  }

  /** The end, at most `to`, of the rows from `from` on whose lists are as long as those of row `from`. */
  #sameLengths(columns: readonly ChunkColumn[], from: number, to: number): number {
    let end = to;
    for (const index of this.#lists) {
      const length = listLength(columns[index], from);
      let row = from + 1;
      while (row < end && listLength(columns[index], row) === length) row += 1;
      end = Math.min(end, row);
    }
    return end;
  }

  #create(stride: number): Block {
    const bytes = new Map<ElementType, Uint8Array>();
    for (const [type, count] of this.#counts) {
      if (type !== 'string') bytes.set(type, new Uint8Array(count * stride * elementBytes(type)));
    }
    const strings = this.#features.map(({ type, list }) =>
      type === 'string' && list === undefined ? new Array<string>(stride).fill('') : null,
    );
    const block: Block = {
      stride,
      filled: 0,
      rowNumbers: new Float64Array(stride),
      bytes,
      strings,
      lists: new Map(),
      columns: [],
    };
    if (this.#lists.length === 0)
      block.columns = this.#features.map((feature, index) => this.#columnOf(block, feature, index, stride));
    return block;
  }

  #copy(block: Block, index: number, source: ChunkColumn, from: number, to: number): void {
    const strings = block.strings[index];
    if (strings !== null && strings !== undefined) {
      for (let row = from; row < to; row += 1)
        strings[block.filled + row - from] = (source as readonly string[])[row] as string;
      return;
    }
    const { type, list } = this.#features[index] as QueuedFeature;
    if (list !== undefined) {
      this.#copyLists(block, index, source as ChunkLists, from, to);
      return;
    }
    const width = elementBytes(type);
    const target = block.bytes.get(type) as Uint8Array;
    const at = ((this.#slots[index] as number) * block.stride + block.filled) * width;
    const bytes = source as Uint8Array;
    const whole = from === 0 && to * width === bytes.length;
    target.set(whole ? bytes : bytes.subarray(from * width, to * width), at);
  }

  /** Lists that lie one behind the other, as they mostly do, are copied at once. */
  #copyLists(block: Block, index: number, { bytes, entries }: ChunkLists, from: number, to: number): void {
    const { type } = this.#features[index] as QueuedFeature;
    const lists = block.lists.get(index) as BlockLists;
    const rowBytes = lists.length * elementBytes(type);
    const needed = (block.filled + to - from) * rowBytes;
    if (lists.bytes.length < needed) {
      const grown = new Uint8Array(
        Math.min(block.stride * rowBytes, Math.max(needed, 2 * lists.bytes.length)),
      );
      grown.set(lists.bytes.subarray(0, block.filled * rowBytes));
      lists.bytes = grown;
    }
    for (let row = from; row < to; ) {
      const first = entries[row * 4] as number;
      let end = row + 1;
      while (end < to && entries[end * 4] === first + (end - row) * lists.length) end += 1;
      const begin = first * elementBytes(type);
      lists.bytes.set(
        bytes.subarray(begin, begin + (end - row) * rowBytes),
        (block.filled + row - from) * rowBytes,
      );
      row = end;
    }
  }

  #chunkColumn(block: Block, index: number): ChunkColumn {
    const strings = block.strings[index];
    if (strings !== null && strings !== undefined) return strings;
    const { type } = this.#features[index] as QueuedFeature;
    const lists = block.lists.get(index);
    if (lists !== undefined) {
      const entries = new Uint32Array(block.filled * 4);
      for (let row = 0; row < block.filled; row += 1)
        entries.set([row * lists.length, 0, lists.length, 0], row * 4);
      return { bytes: lists.bytes, entries };
    }
    const width = elementBytes(type);
    const at = (this.#slots[index] as number) * block.stride * width;
    return (block.bytes.get(type) as Uint8Array).subarray(at, at + block.filled * width);
  }

  /** Moves the columns of a block that is not full together, so that they are adjacent with `rows` as their distance. */
  #tighten(block: Block, rows: number): void {
    for (const [type, bytes] of block.bytes) {
      const width = elementBytes(type);
      const count = this.#counts.get(type) as number;
      for (let slot = 1; slot < count; slot += 1) {
        const from = slot * block.stride * width;
        bytes.copyWithin(slot * rows * width, from, from + rows * width);
      }
    }
  }

  #columnOf(block: Block, feature: QueuedFeature, index: number, rows: number): Column {
    const { column: name, type } = feature;
    const lists = block.lists.get(index);
    if (lists !== undefined) {
      const offsets = Uint32Array.from({ length: rows + 1 }, (_, row) => row * lists.length);
      return {
        name,
        type,
        values: viewOf(type, lists.bytes.buffer as ArrayBuffer, 0, rows * lists.length),
        offsets,
      };
    }
    const strings = block.strings[index];
    if (strings !== null && strings !== undefined) {
      return { name, type, values: rows === block.stride ? strings : strings.slice(0, rows) };
    }
    const bytes = block.bytes.get(type) as Uint8Array;
    const at = (this.#slots[index] as number) * rows * elementBytes(type);
    return { name, type, values: viewOf(type, bytes.buffer as ArrayBuffer, at, rows) };
  }
}

interface Block {
  readonly stride: number;
  filled: number;
  readonly rowNumbers: Float64Array;
  readonly bytes: ReadonlyMap<ElementType, Uint8Array>;
  readonly strings: readonly (string[] | null)[];
  /** By index of the feature. */
  readonly lists: Map<number, BlockLists>;
  /** Views of a full block, made once, where there are no lists. */
  columns: readonly Column[];
}

interface BlockLists {
  bytes: Uint8Array;
  /** Elements of each row's list. */
  readonly length: number;
}

function listLength(column: ChunkColumn | undefined, row: number): number {
  return (column as ChunkLists).entries[row * 4 + 2] as number;
}

/** Bytes of one element of a fixed-width type. */
export function elementBytes(type: ElementType): number {
  if (type === 'string') throw new Error('strings have no fixed width');
  return ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT;
}

export function viewOf(
  type: Exclude<ElementType, 'string'> | ElementType,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): Exclude<Values, string[]> {
  if (type === 'string') throw new Error('strings have no view');
  return new ELEMENT_ARRAYS[type](buffer, byteOffset, length);
}
