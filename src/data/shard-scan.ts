import duckdb, { type DataChunk, type Result } from '@duckdb/node-bindings';
import type { RecordBatch } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';
import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
import type { SourceColumn } from '../core/snapshot.ts';
import { BatchQueue, type ChunkColumn, elementBytes } from './batch-queue.ts';
import { readLists, releaseViews } from './chunk-columns.ts';
import { quoteName, readStrings } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { FeatureColumn, RejectedRow, ShardRequest } from './engine.ts';
import { type FeatureSql, FLAWS, featureSql } from './feature-sql.ts';
import { nameCorruptFile } from './name-corrupt-file.ts';
import { type Bridge, CHUNK_ROWS } from './native-bridge.ts';
import type { RecordScan } from './record-scan.ts';
import { type Scan, scanContext, scanSql } from './scan-sql.ts';

/** Bytes of decoded records that may wait beside the batch asked for. */
const READ_AHEAD_BYTES = 8 * 2 ** 20;
const READ_AHEAD_ROWS = 64 * 1024;

/**
 * Decodes the records of a range while the caller does something else: up to 8 MB (at least one chunk) ahead. DuckDB's
 * thread hands over a chunk of at most 2,048 rows whenever JavaScript's thread is free.
 */
export class ShardScan implements RecordScan {
  readonly #request: ShardRequest;
  readonly #bridge: Bridge;
  readonly #features: readonly FeatureSql[];
  readonly #queue: BatchQueue;
  readonly #bases: readonly number[];
  readonly #rowNumbers = new Float64Array(CHUNK_ROWS);
  /** Indexes of features in which a row can be null. */
  readonly #nullable: readonly number[];
  /** Bytes of a value of each feature; 0 for strings. */
  readonly #widths: readonly number[];
  /** Of the chunk in hand. */
  readonly #columns: ChunkColumn[];
  readonly #checksKey: boolean;
  readonly #showsMalformed: boolean;
  readonly #readAhead: number;
  #result: Result | null = null;
  #pumping: Promise<void> | null = null;
  #wanted = 0;
  #wake: (() => void) | null = null;
  #ended = false;
  #closed = false;
  #failure: unknown = null;
  #last: number;
  /** Rejected while decoding, in row order; may lie ahead of the batches taken. */
  readonly rejects: RejectedRow[] = [];

  constructor(request: ShardRequest, bridge: Bridge) {
    this.#request = request;
    this.#bridge = bridge;
    const sources = new Map(request.columns.map((column) => [column.name, column]));
    this.#features = request.features.map((feature) =>
      featureSql(feature, columnOf(sources, feature.column), request.onNull),
    );
    this.#checksKey = request.key !== undefined && !columnOf(sources, request.key).neverNull;
    this.#showsMalformed = request.showsMalformed === true;
    this.#nullable = this.#features.flatMap(({ nullMeans }, index) => (nullMeans === 'never' ? [] : [index]));
    this.#widths = request.features.map(({ type }) => (type === 'string' ? 0 : elementBytes(type)));
    this.#columns = request.features.map(() => []);
    this.#queue = new BatchQueue(request.features);
    this.#bases = request.segments.map(({ fileOffset, start }) => fileOffset + start);
    const rowBytes = request.features.reduce((sum, feature) => sum + expectedBytes(feature), 8);
    this.#readAhead = Math.max(
      CHUNK_ROWS,
      Math.min(READ_AHEAD_ROWS, Math.floor(READ_AHEAD_BYTES / rowBytes)),
    );
    this.#last = request.range.start - 1;
  }

  /** Next records in row order, `maxRows` of them unless the range ends; null at its end. */
  async next(maxRows: number): Promise<RecordBatch | null> {
    this.#queue.resize(maxRows);
    this.#wanted = maxRows;
    while (this.#queue.rows < maxRows && !this.#ended && this.#failure === null) {
      this.#pump();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
    const batch = this.#queue.take();
    // Go on decoding while the caller works on this batch.
    if (this.#queue.rows < this.#readAhead / 2) this.#pump();
    return batch;
  }

  /** Stops decoding; afterwards the bridge is free for another statement. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#pumping !== null) {
      duckdb.interrupt(this.#bridge.connection);
      await this.#pumping;
    }
    if (this.#result !== null && !this.#ended) {
      // Another statement on the connection frees the paused one and its open files.
      await duckdb.query(this.#bridge.connection, 'SELECT 1');
    }
    this.#result = null;
    this.#bridge.sink = null;
  }

  #pump(): void {
    if (this.#pumping !== null || this.#ended || this.#closed) return;
    this.#pumping = this.#fetchWhileWanted()
      .catch(async (error: unknown) => {
        if (this.#failure !== null) return;
        const { segments } = this.#request;
        const failure = duckdbFailure(error, { reads: segments.map(({ path }) => path) });
        this.#failure = await nameCorruptFile(failure, this.#bridge.connection, segments, this.#scan());
      })
      .finally(() => {
        this.#pumping = null;
        this.#wake?.();
      });
  }

  /** What comes back from DuckDB says nothing: the records went through the sink; an answer means that the scan has paused. */
  async #fetchWhileWanted(): Promise<void> {
    const { connection } = this.#bridge;
    if (this.#result === null) {
      this.#bridge.sink = (chunk) => this.#sink(chunk);
      const statement = await duckdb.prepare(connection, this.#sql());
      this.#result = await duckdb.execute_prepared_streaming(statement);
    }
    while (this.#queue.rows < this.#wanted + this.#readAhead && !this.#closed) {
      const answer = await duckdb.fetch_chunk(this.#result);
      if (answer === null || duckdb.data_chunk_get_size(answer) === 0) {
        this.#checkEnd();
        this.#ended = true;
        return;
      }
    }
  }

  #scan(): Scan {
    const { key, where } = this.#request;
    const expressions = [
      ...(this.#checksKey ? [{ sql: `${quoteName(key as string)} IS NULL`, as: 'k' }] : []),
      ...this.#features.map(({ value }, index) => ({ sql: value, as: `f${index}` })),
      ...this.#features.flatMap(({ flaw }, index) => (flaw === null ? [] : [{ sql: flaw, as: `n${index}` }])),
      ...(this.#showsMalformed
        ? [
            { sql: `coalesce(${MALFORMED_COLUMNS.line}, 0)`, as: 'ml' },
            { sql: `coalesce(${MALFORMED_COLUMNS.problem}, '')`, as: 'mp' },
          ]
        : []),
    ];
    // A malformed record is rejected, never filtered.
    const condition = this.#showsMalformed ? `${MALFORMED_COLUMNS.line} IS NOT NULL OR (${where})` : where;
    return {
      expressions,
      ...scanContext(this.#request),
      ...(where === undefined || condition === undefined ? {} : { where: condition }),
    };
  }

  #sql(): string {
    const scan = this.#scan();
    const values = ['off', 'seg', ...scan.expressions.map(({ as }) => as)].join(', ');
    return `SELECT 1 FROM (SELECT ${this.#bridge.sinkFunction}(${values}) AS paused FROM (${scanSql(this.#request.segments, scan)})) WHERE paused`;
  }

  /** True when enough is waiting. */
  #sink(chunk: DataChunk): boolean {
    try {
      if (this.#closed) throw new Error('the scan was closed');
      this.#takeChunk(chunk);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
    if (this.#queue.rows >= this.#wanted) this.#wake?.();
    return this.#queue.rows >= this.#wanted + this.#readAhead;
  }

  #takeChunk(chunk: DataChunk): void {
    const rows = duckdb.data_chunk_get_size(chunk);
    this.#number(chunk, rows);
    const first = this.#checksKey ? 3 : 2;
    const keyNull = this.#checksKey ? bytesOf(chunk, 2, rows) : null;
    const validities: (Uint8Array | null)[] = [];
    const hasLists = this.#request.features.some(({ list }) => list !== undefined);
    const readFlaws = () => this.#flawsOf(chunk, first + this.#features.length, rows);
    const listFlaws = hasLists ? readFlaws() : null;
    const malformed = this.#malformedLines(chunk, rows);
    const refuse = malformed === null ? null : this.#malformedReject(chunk, rows, malformed);
    let flawed = refuse !== null || keyNull?.includes(1) === true;
    for (const index of this.#nullable) {
      if (this.#isList(index)) {
        // Their flaws are all that counts: a list that is there can have nulls in it.
        if (listFlaws?.get(index)?.some((flaw) => flaw !== 0)) flawed = true;
        continue;
      }
      const validity = nullsOf(chunk, first + index, rows);
      validities[index] = validity;
      if (validity !== null) flawed = true;
    }
    const columns = this.#columns;
    for (let index = 0; index < columns.length; index += 1) {
      const width = this.#widths[index] as number;
      columns[index] = this.#isList(index)
        ? readLists(chunk, first + index, rows, width)
        : width === 0
          ? readStrings(chunk, first + index, rows, validities[index] ?? null)
          : duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, first + index), rows * width);
    }
    if (flawed) this.#pushValid(rows, columns, keyNull, validities, listFlaws ?? readFlaws(), refuse);
    else this.#queue.push(this.#rowNumbers, columns, 0, rows);
    // The views are copied; letting go of them at once keeps the garbage collector from being driven by their sizes: for
    // 8 M rows it marked the whole heap 32 times, now 11 times.
    for (const column of columns) releaseViews(column);
  }

  #isList(index: number): boolean {
    return this.#request.features[index]?.list !== undefined;
  }

  /**
   * Fills in the snapshot's row numbers and checks that the order is right: a scan that skips, doubles or reorders rows
   * would give records the keys of others.
   */
  #number(chunk: DataChunk, rows: number): void {
    const { segments, where, range } = this.#request;
    const off = intsOf(chunk, 0, rows);
    const seg = segments.length === 1 ? null : intsOf(chunk, 1, rows);
    const numbers = this.#rowNumbers;
    let last = this.#last;
    const gapless = where === undefined;
    const [onlyBase] = this.#bases as [number];
    for (let row = 0; row < rows; row += 1) {
      const base = seg === null ? onlyBase : (this.#bases[seg[row] as number] as number);
      const number = base + (off[row] as number);
      if (gapless ? number !== last + 1 : !(number > last && number < range.end)) {
        throw new Failure('ACCOUNTING', `Row ${number} was read after row ${last}.`, {
          place: { row: String(number) },
        });
      }
      numbers[row] = number;
      last = number;
    }
    this.#last = last;
  }

  #checkEnd(): void {
    const { where, range, segments } = this.#request;
    if (where !== undefined || this.#last === range.end - 1) return;
    const file = segments.find(({ fileOffset, end }) => this.#last + 1 < fileOffset + end)?.path ?? '';
    throw new Failure('SOURCE_CHANGED', `${file} has fewer rows than when the job pinned it.`, {
      place: { file },
    });
  }

  /** The rare way: leaves out the rows that have a null where there may be none, or a value that does not fit. */
  #pushValid(
    rows: number,
    columns: ChunkColumn[],
    keyNull: Uint8Array | null,
    validities: (Uint8Array | null)[],
    flaws: ReadonlyMap<number, Uint8Array>,
    refuse: ((row: number) => RejectedRow | undefined) | null,
  ): void {
    const suspects = this.#nullable.flatMap((index) => {
      const validity = validities[index] ?? null;
      return validity === null && !this.#isList(index) ? [] : [{ validity, index }];
    });
    let start = 0;
    for (let row = 0; row < rows; row += 1) {
      const reject =
        refuse?.(row) ?? (keyNull?.[row] === 1 ? this.#nullKey(row) : this.#unfit(row, suspects, flaws));
      if (reject === null) continue;
      this.rejects.push(reject);
      if (start < row) this.#queue.push(this.#rowNumbers, columns, start, row);
      start = row + 1;
    }
    if (start < rows) this.#queue.push(this.#rowNumbers, columns, start, rows);
  }

  /** By index of the feature; the columns of the chunk from `at` on. */
  #flawsOf(chunk: DataChunk, at: number, rows: number): Map<number, Uint8Array> {
    const flaws = new Map<number, Uint8Array>();
    let column = at;
    for (const [index, { flaw }] of this.#features.entries()) {
      if (flaw === null) continue;
      flaws.set(index, bytesOf(chunk, column, rows));
      column += 1;
    }
    return flaws;
  }

  /** Line of each row that is a malformed record, else 0; null when there is none. */
  #malformedLines(chunk: DataChunk, rows: number): BigInt64Array | null {
    if (!this.#showsMalformed) return null;
    const bytes = duckdb.vector_get_data(
      duckdb.data_chunk_get_vector(chunk, this.#malformedColumn()),
      rows * 8,
    );
    const lines = new BigInt64Array(bytes.buffer, bytes.byteOffset, rows);
    return lines.some((line) => line !== 0n) ? lines : null;
  }

  /** Behind all other expressions. */
  #malformedColumn(): number {
    const flags = this.#features.filter(({ flaw }) => flaw !== null).length;
    return (this.#checksKey ? 3 : 2) + this.#features.length + flags;
  }

  #malformedReject(
    chunk: DataChunk,
    rows: number,
    lines: BigInt64Array,
  ): (row: number) => RejectedRow | undefined {
    const problems = readStrings(chunk, this.#malformedColumn() + 1, rows, null);
    const seg = intsOf(chunk, 1, rows);
    return (row) => {
      const line = lines[row] ?? 0n;
      if (line === 0n) return undefined;
      const { malformedIn: file = '', malformedUnit: unit = 'Line' } =
        this.#request.segments[seg[row] as number] ?? {};
      return {
        rowNumber: this.#rowNumbers[row] as number,
        code: 'ROW_MALFORMED',
        message: `${unit} ${line} of ${file} ${problems[row]}.`,
      };
    };
  }

  #nullKey(row: number): RejectedRow {
    return {
      rowNumber: this.#rowNumbers[row] as number,
      code: 'NULL_KEY',
      message: `The key column ${this.#request.key} is null.`,
    };
  }

  #unfit(
    row: number,
    suspects: readonly { validity: Uint8Array | null; index: number }[],
    flaws: ReadonlyMap<number, Uint8Array>,
  ): RejectedRow | null {
    for (const { validity, index } of suspects) {
      const { nullMeans } = this.#features[index] as FeatureSql;
      const flaw = nullMeans === 'null' ? FLAWS.null : (flaws.get(index)?.[row] ?? FLAWS.inexact);
      if (validity === null ? flaw === 0 : ((validity[row >> 3] as number) & (1 << (row & 7))) !== 0)
        continue;
      const feature = this.#request.features[index] as FeatureColumn;
      return { rowNumber: this.#rowNumbers[row] as number, ...flawOf(feature, flaw) };
    }
    return null;
  }
}

function flawOf({ column, type, list }: FeatureColumn, flaw: number): Pick<RejectedRow, 'code' | 'message'> {
  switch (flaw) {
    case FLAWS.null:
      return { code: 'NULL_FEATURE', message: `Column ${column} is null.` };
    case FLAWS.nullInside:
      return { code: 'NULL_FEATURE', message: `The list in column ${column} has a null in it.` };
    case FLAWS.length: {
      const wanted = list?.map((dim) => dim ?? 'any').join(' x ');
      return { code: 'FEATURE_LENGTH', message: `The list in column ${column} is not of length ${wanted}.` };
    }
    default: {
      const value = list === undefined ? 'The value of' : 'A value in the list of';
      return {
        code: 'FEATURE_NOT_EXACT',
        message: `${value} column ${column} does not fit ${type} without loss.`,
      };
    }
  }
}

/** A guess where lengths are not known; how far is read ahead depends on it. */
function expectedBytes({ type, list }: FeatureColumn): number {
  const elements = list?.reduce<number>((all, dim) => all * (dim ?? 256), 1) ?? 1;
  return elements * (type === 'string' ? 64 : elementBytes(type));
}

function columnOf(sources: ReadonlyMap<string, SourceColumn>, name: string): SourceColumn {
  const column = sources.get(name);
  if (column === undefined) {
    throw new Failure(
      'COLUMN_MISSING',
      `The input has no column ${name}; it has ${[...sources.keys()].join(', ')}.`,
      { place: { field: name } },
    );
  }
  return column;
}

function bytesOf(chunk: DataChunk, column: number, rows: number): Uint8Array {
  return duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, column), rows);
}

function intsOf(chunk: DataChunk, column: number, rows: number): Int32Array {
  const bytes = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, column), rows * 4);
  return new Int32Array(bytes.buffer, bytes.byteOffset, rows);
}

/** Validity bits of a vector, or null when no row is null. */
function nullsOf(chunk: DataChunk, column: number, rows: number): Uint8Array | null {
  const bytes = Math.ceil(rows / 64) * 8;
  // Absent where DuckDB keeps no mask.
  const validity = duckdb.vector_get_validity(
    duckdb.data_chunk_get_vector(chunk, column),
    bytes,
  ) as Uint8Array | null;
  if (validity === null) return null;
  for (let row = 0; row + 8 <= rows; row += 8) if (validity[row >> 3] !== 0xff) return validity;
  for (let row = rows & ~7; row < rows; row += 1)
    if (((validity[row >> 3] as number) & (1 << (row & 7))) === 0) return validity;
  return null;
}
