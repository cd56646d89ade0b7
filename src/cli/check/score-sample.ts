import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnChild } from '../../compute/local/spawn-child.ts';
import { addCounts, type Counts, NO_ROWS } from '../../core/counts.ts';
import { Failure, type FailureReport, failureFromReport } from '../../core/errors.ts';
import { type RowRange, rangeRows } from '../../core/snapshot.ts';
import type { WorkerContext } from '../../core/wire.ts';
import { thisProgram } from '../program.ts';
import { systemClock } from '../system-ports.ts';
import type { SampleMessage, SamplePiece, SampleRequest, Timed } from './sample-protocol.ts';

export interface SampleOptions {
  readonly context: WorkerContext;
  /** Rows to look at. */
  readonly ranges: readonly RowRange[];
  /** Rows that the speed may be measured on. */
  readonly timingRange: RowRange;
  readonly storageRoot: string;
  /** Folder for the request, the log and temporary files. */
  readonly scratch: string;
}

export interface ScoredSample {
  readonly counts: Counts;
  /** Storage keys. */
  readonly parts: readonly string[];
  readonly rejects: readonly { readonly key: string; readonly rows: number }[];
  /** Why rows of the sample have no answer; empty: all have. */
  readonly problems: readonly Failure[];
  readonly warnings: readonly string[];
  /** Null: it was not measured. */
  readonly timed: Timed | null;
  /** From the start of a process until its model was loaded; null: it never was. */
  readonly startMs: number | null;
  readonly peakMemoryBytes: number | null;
}

/** A call of the model is given this long, or the job's own limit if that is less. */
export const PATIENCE_MS = 20_000;
/** Loading a model of gigabytes from a slow disk takes its time. */
const LOAD_PATIENCE_MS = 300_000;
/** The process may die so often: enough to find one record of 100,000 by halving, and another. */
const MOST_STARTS = 24;
/** All starts and waits together. After that what is left stays unanswered, and is said. */
const MOST_MS = 120_000;
const TIMING_MS = 1_500;

/**
 * Scores rows in processes of their own, as workers do: model code never runs here. A process that dies in the model is
 * started again without the rows that killed it, which are halved until the record at fault stands alone: it is rejected
 * as in a job. The same for a record that the model hangs on, where the job's limit for a call is short.
 */
export async function scoreSample(options: SampleOptions, signal: AbortSignal): Promise<ScoredSample> {
  const deadline = systemClock.monotonicMs() + MOST_MS;
  const sample = new Sample(options);
  for (let start = 1; sample.waiting.length > 0; start += 1) {
    if (start > MOST_STARTS || systemClock.monotonicMs() > deadline) {
      sample.giveUp();
      break;
    }
    const ending = await runProcess(sample, options, start, signal);
    if (ending.kind === 'done') break;
    sample.lost(ending);
  }
  return sample.result();
}

type Ending =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly failure: FailureReport }
  | { readonly kind: 'died'; readonly how: string; readonly rows: RowRange | null }
  | { readonly kind: 'hung'; readonly waitedMs: number; readonly rows: RowRange | null };

/** What is known of the sample so far, and what is left to do. */
class Sample {
  waiting: SamplePiece[];
  readonly #options: SampleOptions;
  readonly #problems: Failure[] = [];
  readonly #warnings: string[] = [];
  readonly #parts: string[] = [];
  readonly #rejects: { key: string; rows: number }[] = [];
  #counts = NO_ROWS;
  #timed: Timed | null = null;
  #startMs: number | null = null;
  #peakMemoryBytes: number | null = null;
  #lastId: number;
  #troubled = false;

  constructor(options: SampleOptions) {
    this.#options = options;
    this.waiting = options.ranges.map((range, id) => ({ id, range, condemned: null }));
    this.#lastId = options.ranges.length;
  }

  request(): SampleRequest {
    const { context, timingRange } = this.#options;
    // Rows that kill the process would end the measurement.
    const timing =
      this.#troubled || rangeRows(timingRange) === 0 ? null : { range: timingRange, forMs: TIMING_MS };
    return { context, pieces: this.waiting, timing };
  }

  started(ms: number): void {
    this.#startMs ??= ms;
  }

  take(message: Extract<SampleMessage, { type: 'scored' | 'failed' | 'done' }>): void {
    if (message.type === 'done') {
      this.#timed = message.timed;
      this.#peakMemoryBytes = message.peakMemoryBytes;
      return;
    }
    this.waiting = this.waiting.filter(({ id }) => id !== message.id);
    if (message.type === 'failed') {
      this.#problems.push(failureFromReport(message.failure));
      return;
    }
    const { counts, part, rejects } = message.completion;
    this.#counts = addCounts(this.#counts, counts);
    if (part !== null) this.#parts.push(part.key);
    if (rejects !== null) this.#rejects.push({ key: rejects.key, rows: rejects.rows });
  }

  /** The process ended before it was done. */
  lost(ending: Exclude<Ending, { kind: 'done' }>): void {
    this.#troubled = true;
    if (ending.kind === 'refused') {
      this.#stop(failureFromReport(ending.failure));
      return;
    }
    const { rows } = ending;
    const piece = rows === null ? undefined : this.waiting.find(({ range }) => holds(range, rows));
    const batchTimeoutMs = this.#options.context.batchTimeoutMs;
    if (ending.kind === 'hung' && (piece === undefined || ending.waitedMs < batchTimeoutMs)) {
      this.#stop(hung(ending.waitedMs, rows, batchTimeoutMs));
      return;
    }
    if (piece === undefined || rows === null) {
      const how = ending.kind === 'died' ? ending.how : 'in silence';
      if (this.waiting.length === 0) {
        this.#warnings.push(
          `The process of the model ended ${how} while its speed was measured on rows after the sample: some of them will be rejected, or fail the job.`,
        );
        return;
      }
      this.#stop(
        new Failure(
          'WORKER_FAILED',
          `The process that scores the sample ended ${how}, outside of the model.`,
        ),
      );
      return;
    }
    const blamed = (start: number, end: number): SamplePiece => ({
      ...this.#piece(start, end),
      condemned: end - start === 1 ? reportOf(ending, start) : null,
    });
    const middle = rows.start + Math.ceil(rangeRows(rows) / 2);
    const halves =
      rangeRows(rows) === 1
        ? [blamed(rows.start, rows.end)]
        : [this.#piece(rows.start, middle), this.#piece(middle, rows.end)];
    const around = [this.#piece(piece.range.start, rows.start), this.#piece(rows.end, piece.range.end)];
    const others = this.waiting.filter((each) => each !== piece);
    this.waiting = [...halves, ...around.filter(({ range }) => rangeRows(range) > 0), ...others];
  }

  giveUp(): void {
    const left = this.waiting.reduce((sum, { range }) => sum + rangeRows(range), 0);
    this.#stop(
      new Failure(
        'MODEL_FAILED',
        `The process of the model ended again and again; ${left} rows of the sample have no answer.`,
        { next: 'Score them alone to see which it is, with batchwright check --where ... or --limit.' },
      ),
    );
  }

  result(): ScoredSample {
    return {
      counts: this.#counts,
      parts: this.#parts,
      rejects: this.#rejects,
      problems: this.#problems,
      warnings: this.#warnings,
      timed: this.#timed,
      startMs: this.#startMs,
      peakMemoryBytes: this.#peakMemoryBytes,
    };
  }

  #piece(start: number, end: number): SamplePiece {
    this.#lastId += 1;
    return { id: this.#lastId, range: { start, end }, condemned: null };
  }

  #stop(problem: Failure): void {
    this.#problems.push(problem);
    this.waiting = [];
  }
}

function holds(range: RowRange, rows: RowRange): boolean {
  return rows.start >= range.start && rows.end <= range.end;
}

function reportOf(ending: Ending, row: number): FailureReport {
  const hangs = ending.kind === 'hung';
  const message = hangs
    ? `The model did not answer this record in ${ending.waitedMs / 1_000} s.`
    : `The process of the model ended ${ending.kind === 'died' ? ending.how : ''} on this record.`;
  return new Failure(hangs ? 'RECORD_TIMEOUT' : 'MODEL_CRASHED', message, {
    place: { row: String(row) },
  }).toJSON();
}

function hung(waitedMs: number, rows: RowRange | null, batchTimeoutMs: number): Failure {
  const what =
    rows === null
      ? 'The process that scores the sample said nothing'
      : `The model did not answer rows ${rows.start} to ${rows.end - 1}`;
  return new Failure('MODEL_TIMEOUT', `${what} for ${waitedMs / 1_000} s; check waits no longer.`, {
    next: `The job would wait ${batchTimeoutMs / 1_000} s for a call (config.batch_timeout_seconds). Lower config.batch_size, or look at these rows.`,
  });
}

function runProcess(
  sample: Sample,
  { context, storageRoot, scratch }: SampleOptions,
  number: number,
  signal: AbortSignal,
): Promise<Ending> {
  const request = join(scratch, `sample-${number}.json`);
  writeFileSync(request, JSON.stringify(sample.request()));
  const begunMs = systemClock.monotonicMs();
  const { process: child } = spawnChild(
    thisProgram(),
    ['sample', '--request', request, '--storage', storageRoot],
    {
      token: '',
      logFile: join(scratch, 'sample.log'),
      scratch,
      channel: true,
    },
  );
  const callMs = Math.min(PATIENCE_MS, context.batchTimeoutMs);
  return new Promise((resolve) => {
    let inModel: RowRange | null = null;
    let ending: Ending | null = null;
    let timer: NodeJS.Timeout | undefined;
    const within = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        ending ??= { kind: 'hung', waitedMs: ms, rows: inModel };
        child.kill('SIGKILL');
      }, ms);
    };
    const abort = () => child.kill('SIGKILL');
    signal.addEventListener('abort', abort);
    within(LOAD_PATIENCE_MS);
    child.on('message', (message: SampleMessage) => {
      if (message.type === 'ready') sample.started(systemClock.monotonicMs() - begunMs);
      else if (message.type === 'in-model') inModel = message.rows;
      else if (message.type === 'answered') inModel = null;
      else if (message.type === 'refused') ending = { kind: 'refused', failure: message.failure };
      else {
        sample.take(message);
        if (message.type === 'done') ending = { kind: 'done' };
      }
      const measuring = message.type !== 'done' && sample.waiting.length === 0;
      within(inModel !== null || measuring ? callMs + (measuring ? TIMING_MS : 0) : LOAD_PATIENCE_MS);
    });
    const ended = (how: string) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(ending ?? { kind: 'died', how, rows: inModel });
    };
    // 'close' comes after the last message.
    child.once('close', (code, name) =>
      ended(name === null ? `with exit code ${code}` : `by signal ${name}`),
    );
    child.once('error', (error) => ended(`before it began (${error.message})`));
  });
}
