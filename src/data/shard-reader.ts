import type { Column, RecordBatch } from '../core/columns.ts';
import { countsBalance } from '../core/counts.ts';
import { Failure } from '../core/errors.ts';
import { rangeRows } from '../core/snapshot.ts';
import { cutSegments } from './cut-segments.ts';
import type {
  OutputColumn,
  RejectedRow,
  ShardReader,
  ShardRequest,
  WriteRequest,
  WrittenPart,
} from './engine.ts';
import type { Bridge } from './native-bridge.ts';
import { writePart, writeRejects } from './part-writer.ts';
import { openScan } from './plain-scan.ts';
import { predictionFeed } from './prediction-feed.ts';
import { PredictionStore } from './prediction-store.ts';
import type { RecordScan } from './record-scan.ts';
import { DUE, REJECTED, RowStates, SCORED, UNSEEN } from './row-states.ts';

/** Opens a row range over a bridge that is the reader's own until it is disposed of; `release` gives the bridge back. */
export function openShardReader(request: ShardRequest, bridge: Bridge, release: () => void): ShardReader {
  return new DuckdbShardReader(request, bridge, release);
}

class DuckdbShardReader implements ShardReader {
  readonly #request: ShardRequest;
  readonly #bridge: Bridge;
  readonly #release: () => void;
  readonly #scan: RecordScan;
  readonly #states: RowStates;
  readonly #store = new PredictionStore();
  /** By the reader itself, up to `position`. */
  readonly #rejects: RejectedRow[] = [];
  readonly #callerRejects: RejectedRow[] = [];
  #position: number;
  #lastAppended = -1;
  #state: 'reading' | 'written' | 'disposed' = 'reading';

  constructor(request: ShardRequest, bridge: Bridge, release: () => void) {
    this.#request = request;
    this.#bridge = bridge;
    this.#release = release;
    this.#scan = openScan(request, bridge);
    this.#states = new RowStates(request.range);
    this.#position = request.range.start;
  }

  get position(): number {
    return this.#position;
  }

  get rejects(): readonly RejectedRow[] {
    return this.#rejects;
  }

  async next(maxRows: number): Promise<RecordBatch | null> {
    if (this.#state !== 'reading') throw new Error(`the shard is ${this.#state}`);
    if (!(maxRows >= 1)) throw new Error(`a batch of ${maxRows} rows`);
    const { range } = this.#request;
    const batch = range.start === range.end ? null : await this.#scan.next(maxRows);
    this.#position = batch === null ? range.end : (batch.rowNumbers[batch.rows - 1] as number) + 1;
    this.#takeRejects();
    if (batch !== null) this.#states.move(batch.rowNumbers, UNSEEN, DUE);
    return batch;
  }

  append(rowNumbers: Float64Array, columns: readonly Column[]): void {
    const [first] = rowNumbers;
    if (first === undefined) return;
    if (first <= this.#lastAppended) {
      throw new Failure(
        'ACCOUNTING',
        `Predictions for row ${first} came after those for row ${this.#lastAppended}.`,
        {
          place: { row: String(first) },
        },
      );
    }
    // A row that comes twice is no longer due; one that comes too early lets the next call fail.
    for (let index = 1; index < rowNumbers.length; index += 1) {
      if ((rowNumbers[index] as number) <= (rowNumbers[index - 1] as number)) {
        throw new Failure(
          'ACCOUNTING',
          `Predictions for row ${rowNumbers[index]} came after those for row ${rowNumbers[index - 1]}.`,
        );
      }
    }
    this.#states.move(rowNumbers, DUE, SCORED);
    this.#store.append(rowNumbers.length, columns);
    this.#lastAppended = rowNumbers[rowNumbers.length - 1] as number;
  }

  reject(row: RejectedRow): void {
    this.#states.moveOne(row.rowNumber, DUE, REJECTED);
    this.#callerRejects.push(row);
  }

  async write(request: WriteRequest): Promise<WrittenPart> {
    if (this.#state !== 'reading') throw new Error(`the shard is ${this.#state}`);
    this.#state = 'written';
    const { range, segments } = this.#request;
    const rows = request.end - range.start;
    const counts = this.#count(request.end);
    await this.#scan.close();
    this.#requireOutputs(request.outputs, counts.scored);

    if (counts.scored > 0) {
      const done = cutSegments(segments, range.start, { start: range.start, end: request.end });
      const feed = predictionFeed(this.#store, this.#states, done, rows, counts.scored);
      await writePart(this.#bridge, this.#request, done, feed, request, request.partPath, counts.scored);
    }
    const rejects = [...this.#rejects, ...this.#callerRejects]
      .filter(({ rowNumber }) => rowNumber < request.end)
      .sort((a, b) => a.rowNumber - b.rowNumber);
    const [firstReject] = rejects;
    const lastReject = rejects.at(-1);
    if (firstReject === undefined || lastReject === undefined) {
      return { counts, hasPart: counts.scored > 0, hasRejects: false, sampleRejects: [] };
    }
    const touched = cutSegments(segments, range.start, {
      start: firstReject.rowNumber,
      end: lastReject.rowNumber + 1,
    });
    const sampleRejects = await writeRejects(
      this.#bridge,
      this.#request,
      touched,
      rejects,
      request.attempt,
      request.rejectsPath,
    );
    return { counts, hasPart: counts.scored > 0, hasRejects: true, sampleRejects };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'disposed') return;
    this.#state = 'disposed';
    await this.#scan.close();
    this.#release();
  }

  /** Makes the reader's own rejects public as far as batches have come. */
  #takeRejects(): void {
    const pending = this.#scan.rejects;
    let taken = 0;
    while (taken < pending.length && (pending[taken] as RejectedRow).rowNumber < this.#position) taken += 1;
    for (const reject of pending.splice(0, taken)) {
      this.#states.moveOne(reject.rowNumber, UNSEEN, REJECTED);
      this.#rejects.push(reject);
    }
  }

  #count(end: number): WrittenPart['counts'] {
    const { range, where } = this.#request;
    if (end > this.#position || end < range.start) {
      throw new Failure(
        'ACCOUNTING',
        `Rows up to ${end} are to be written, but they were read up to ${this.#position}.`,
      );
    }
    const read = rangeRows({ start: range.start, end });
    const due = this.#states.first(DUE, read);
    if (due !== null) throw unanswered(due);
    const [filtered, , scored, rejected] = this.#states.tally(read);
    const counts = { read, scored, rejected, filtered };
    const unseen = this.#states.first(UNSEEN, read);
    if (where === undefined && unseen !== null) throw unanswered(unseen);
    if (!countsBalance(counts))
      throw new Failure(
        'ACCOUNTING',
        `Rows ${range.start} to ${end} do not add up: ${JSON.stringify(counts)}.`,
      );
    return counts;
  }

  #requireOutputs(outputs: readonly OutputColumn[], scored: number): void {
    if (scored === 0) return;
    const stored = this.#store.columns;
    const fits =
      outputs.length === stored.length &&
      outputs.length > 0 &&
      outputs.every((output, index) => {
        const column = stored[index];
        return column !== undefined && column.type === output.type && column.shape === output.shape;
      });
    if (!fits)
      throw new Error(`outputs ${JSON.stringify(outputs)} are not the predictions ${JSON.stringify(stored)}`);
  }
}

function unanswered(row: number): Failure {
  return new Failure('ACCOUNTING', `Row ${row} was read, but neither scored nor rejected.`, {
    place: { row: String(row) },
  });
}
