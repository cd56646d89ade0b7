import { setImmediate } from 'node:timers/promises';
import type { RecordBatch } from '../core/columns.ts';
import { BatchQueue } from './batch-queue.ts';
import { cutSegments, wholeSegments } from './cut-segments.ts';
import type { RejectedRow, ShardRequest, ShardSegment } from './engine.ts';
import type { Bridge } from './native-bridge.ts';
import { NotPlain } from './not-plain.ts';
import type { RowGroup } from './parquet-footer.ts';
import { ColumnBuffers, isPlainType, PlainFile } from './plain-file.ts';
import type { RecordScan } from './record-scan.ts';
import { ShardScan } from './shard-scan.ts';

/** The fastest scan that may know how to read the range; fails like `ShardScan` for a request that cannot be read. */
export function openScan(request: ShardRequest, bridge: Bridge): RecordScan {
  // Checks the request, and opens nothing before its first batch.
  const general = new ShardScan(request, bridge);
  return mayBePlain(request) ? new PlainScan(request, bridge) : general;
}

/** What the request alone tells: no condition, no malformed records, columns that are wanted as they are, no key that may be null. */
function mayBePlain({ features, where, key, columns, segments }: ShardRequest): boolean {
  const sources = new Map(columns.map((column) => [column.name, column]));
  return (
    features.length > 0 &&
    where === undefined &&
    segments.every(({ malformedIn }) => malformedIn === undefined) &&
    (key === undefined || sources.get(key)?.neverNull === true) &&
    features.every(({ column, type }) => isPlainType(sources.get(column)?.type ?? '', type))
  );
}

/**
 * Memory of scans that are done, for those to come: a job opens hundreds, and new buffers for each of them would be most of
 * what the garbage collector runs for. As many as were open at the same time.
 */
const idleBuffers: ColumnBuffers[] = [];

/** Bytes decoded before other work of this thread gets its turn: about 4 ms of Snappy, 20 of GZIP. */
const TURN_BYTES = 8 * 2 ** 20;

/**
 * Reads columns of plain Parquet pages without DuckDB, one row group at a time, on this thread: 20 float32 columns of a
 * million rows cost 0.03 s of CPU (0.045 in batches of 1,000), through `ShardScan` 0.15 s.
 *
 * What it cannot read, or may not (a null, another encoding, wrong bytes), it does not judge: a `ShardScan` takes over
 * from the first row that no batch has held, and its outcome counts. Rows are numbered by the footer's row counts, which
 * the values counted in the pages must confirm for every column before a row of a row group is given out.
 */
export class PlainScan implements RecordScan {
  readonly #request: ShardRequest;
  /** Ranges of rows of Parquet files, in order. */
  readonly #segments: readonly ShardSegment[];
  readonly #bridge: Bridge;
  readonly #queue: BatchQueue;
  #buffers: ColumnBuffers | null = idleBuffers.pop() ?? new ColumnBuffers();
  readonly #rejects: RejectedRow[] = [];
  #segment = -1;
  #file: PlainFile | null = null;
  /** Row groups of the file that are to come. */
  #groups: RowGroup[] = [];
  #columns: Uint8Array[] = [];
  #rowNumbers = new Float64Array(0);
  /** Of the rows of the row group in hand that are still to be copied to the queue. */
  #at = 0;
  #end = 0;
  /** Number of the first row that no batch has held. */
  #due: number;
  #closed = false;
  #general: ShardScan | null = null;
  /** Why DuckDB took over; null as long as it has not. */
  handedOver: string | null = null;

  constructor(request: ShardRequest, bridge: Bridge) {
    this.#request = request;
    this.#segments = wholeSegments(request.segments);
    this.#bridge = bridge;
    this.#queue = new BatchQueue(request.features);
    this.#due = request.range.start;
  }

  get rejects(): RejectedRow[] {
    return this.#general?.rejects ?? this.#rejects;
  }

  async next(maxRows: number): Promise<RecordBatch | null> {
    if (this.#general !== null) return this.#general.next(maxRows);
    this.#queue.resize(maxRows);
    while (this.#queue.rows < maxRows) {
      if (this.#at === this.#end) {
        let more: boolean;
        try {
          more = await this.#loadRowGroup();
        } catch (error) {
          if (this.#closed) throw error;
          // Whatever it is: if anything is wrong with the file, DuckDB says so with the right words.
          return this.#handOver(String(error)).next(maxRows);
        }
        if (!more) break;
      }
      const end = Math.min(this.#end, this.#at + maxRows - this.#queue.rows);
      this.#queue.push(this.#rowNumbers, this.#columns, this.#at, end);
      this.#at = end;
    }
    const batch = this.#queue.take();
    this.#due += batch?.rows ?? 0;
    return batch;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#letGo();
    this.#columns = [];
    if (this.#buffers !== null) idleBuffers.push(this.#buffers);
    this.#buffers = null;
    await this.#general?.close();
  }

  /** False at the end of the range. */
  async #loadRowGroup(): Promise<boolean> {
    while (this.#groups.length === 0) if (!this.#openNext()) return false;
    const group = this.#groups.shift() as RowGroup;
    const { start, end, fileOffset } = this.#segments[this.#segment] as ShardSegment;
    const columns: Uint8Array[] = [];
    let sinceTurn = 0;
    for (let index = 0; index < group.chunks.length; index += 1) {
      if (this.#closed || this.#file === null || this.#buffers === null)
        throw new Error('the scan was closed');
      const values = this.#file.read(group, index, this.#buffers);
      columns.push(values);
      sinceTurn += values.length;
      if (sinceTurn < TURN_BYTES) continue;
      sinceTurn = 0;
      await setImmediate();
    }
    this.#columns = columns;
    this.#number(fileOffset + group.firstRow, group.rows);
    this.#at = Math.max(0, start - group.firstRow);
    this.#end = Math.min(group.rows, end - group.firstRow);
    return true;
  }

  /** Opens the file of the next segment; false when there is none. */
  #openNext(): boolean {
    this.#letGo();
    this.#segment += 1;
    const segment = this.#segments[this.#segment];
    if (segment === undefined) {
      if (this.#due + this.#queue.rows !== this.#request.range.end) throw new NotPlain('rows are missing');
      return false;
    }
    this.#file = new PlainFile(segment.path, this.#request.features, segment);
    const isLast = this.#segment === this.#segments.length - 1;
    if (!isLast && this.#file.rows !== segment.end)
      throw new NotPlain('the file has other rows than when it was pinned');
    this.#groups = [...this.#file.rowGroups];
    return true;
  }

  #number(first: number, rows: number): void {
    if (this.#rowNumbers.length < rows) this.#rowNumbers = new Float64Array(rows);
    for (let row = 0; row < rows; row += 1) this.#rowNumbers[row] = first + row;
  }

  #handOver(reason: string): ShardScan {
    this.handedOver = reason;
    this.#letGo();
    this.#columns = [];
    const { range, segments } = this.#request;
    const rest = { start: this.#due, end: range.end };
    const request = { ...this.#request, range: rest, segments: cutSegments(segments, range.start, rest) };
    this.#general = new ShardScan(request, this.#bridge);
    return this.#general;
  }

  #letGo(): void {
    this.#file?.close();
    this.#file = null;
    this.#groups = [];
  }
}
