import {
  type Column,
  ELEMENT_ARRAYS,
  type ElementType,
  type RecordBatch,
  type Values,
} from '../core/columns.ts';

/** Values of one column of a chunk: the bytes of fixed-width values, or strings. */
export type ChunkColumn = Uint8Array | readonly string[];

/**
 * Records on their way from chunks to batches. They are laid out as batches of the size that was asked for last, so that
 * each value is copied once: per element type one `[F, stride]` block, columns in the order of the request.
 */
export class BatchQueue {
  readonly #features: readonly { readonly column: string; readonly type: ElementType }[];
  /** Per feature, its position among those of its type. */
  readonly #slots: readonly number[];
  readonly #counts = new Map<ElementType, number>();
  #blocks: Block[] = [];
  #free: Block[] = [];
  #lent: Block | null = null;
  #stride = 0;
  rows = 0;

  constructor(features: readonly { readonly column: string; readonly type: ElementType }[]) {
    this.#features = features;
    this.#slots = features.map(({ type }) => {
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
      const block = this.#open();
      const end = Math.min(to, at + this.#stride - block.filled);
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
    if (rows === block.stride) return { rows, rowNumbers: block.rowNumbers, columns: block.columns };
    this.#tighten(block, rows);
    return {
      rows,
      rowNumbers: block.rowNumbers.subarray(0, rows),
      columns: this.#features.map((feature, index) => this.#columnOf(block, feature, index, rows)),
    };
  }

  #open(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.filled < last.stride) return last;
    const block = this.#free.pop() ?? this.#create(this.#stride);
    this.#blocks.push(block);
    return block;
  }

  #create(stride: number): Block {
    const bytes = new Map<ElementType, Uint8Array>();
    for (const [type, count] of this.#counts) {
      if (type !== 'string') bytes.set(type, new Uint8Array(count * stride * elementBytes(type)));
    }
    const strings = this.#features.map(({ type }) =>
      type === 'string' ? new Array<string>(stride).fill('') : null,
    );
    const block: Block = {
      stride,
      filled: 0,
      rowNumbers: new Float64Array(stride),
      bytes,
      strings,
      columns: [],
    };
    block.columns = this.#features.map((feature, index) => this.#columnOf(block, feature, index, stride));
    return block;
  }

  #copy(block: Block, index: number, source: ChunkColumn, from: number, to: number): void {
    const strings = block.strings[index];
    if (strings !== null && strings !== undefined) {
      for (let row = from; row < to; row += 1) strings[block.filled + row - from] = source[row] as string;
      return;
    }
    const { type } = this.#features[index] as { type: ElementType };
    const width = elementBytes(type);
    const target = block.bytes.get(type) as Uint8Array;
    const at = ((this.#slots[index] as number) * block.stride + block.filled) * width;
    const bytes = source as Uint8Array;
    const whole = from === 0 && to * width === bytes.length;
    target.set(whole ? bytes : bytes.subarray(from * width, to * width), at);
  }

  #chunkColumn(block: Block, index: number): ChunkColumn {
    const strings = block.strings[index];
    if (strings !== null && strings !== undefined) return strings;
    const { type } = this.#features[index] as { type: ElementType };
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

  #columnOf(
    block: Block,
    feature: { column: string; type: ElementType },
    index: number,
    rows: number,
  ): Column {
    const { column: name, type } = feature;
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
  /** Views of a full block, made once. */
  columns: readonly Column[];
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
