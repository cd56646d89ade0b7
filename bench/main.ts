/**
 * Whole jobs against their ideal, measured in the same run; writes docs/benchmarks.md.
 *
 *     npm run bench [-- --rows 20000000 --rounds 5 --models mlp,trees]
 *
 * ideal = CPU time of (decode + model + encode), each alone on one thread, divided by the cores. The ratio is
 * ideal / (first claim to last completion of the job), round by round, so that a machine that is slow for a while slows both;
 * the parts are measured before and after the job, and their mean counts.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { JobStatus } from '../src/core/wire.ts';
import { watchPeakMemory } from '../src/observe/memory.ts';
import { mlpModel, treesModel } from '../test/onnx-builder.ts';
import { COMPILED, startCli } from '../test/support/cli.ts';
import {
  costOf,
  decode,
  encode,
  FEATURES,
  openModel,
  prepareResult,
  scoreInMemory,
  singleThreaded,
  writeInput,
} from './stages.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000000' },
    rounds: { type: 'string', default: '5' },
    models: { type: 'string', default: 'mlp,trees' },
    batch: { type: 'string', default: '8192' },
    write: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const ROWS = Number(options.rows);
const ROUNDS = Number(options.rounds);
const BATCH = Number(options.batch);
const CORES = availableParallelism();
const FILES = 4;
const MODELS = {
  mlp: { name: 'MLP 20-64-32-1', bytes: mlpModel(), sample: 4_000_000 },
  trees: { name: '100 trees of depth 6', bytes: treesModel(), sample: 500_000 },
};
type ModelName = keyof typeof MODELS;

interface Round {
  readonly decodeMs: number;
  readonly modelMs: number;
  readonly encodeMs: number;
  readonly scoringMs: number;
  readonly wholeMs: number;
  readonly ratio: number;
  readonly states: Partial<Record<string, number>>;
}

const folder = mkdtempSync(join(tmpdir(), 'batchwright-bench-'));
const sections: string[] = [];
try {
  const connection = await singleThreaded();
  mkdirSync(join(folder, 'all'));
  const paths = Array.from({ length: FILES }, (_, index) => join(folder, 'all', `${index}.parquet`));
  console.log(`writing ${ROWS} rows`);
  await writeInput(connection, paths, ROWS / FILES);
  await prepareResult(connection, ROWS / FILES);
  await writeInput(connection, [join(folder, 'small.parquet')], 1_000);

  const peaks: [string, number, number][] = [];
  for (const model of options.models.split(',') as ModelName[]) {
    const { name, bytes, sample } = MODELS[model];
    writeFileSync(join(folder, `${model}.onnx`), bytes);
    const session = await openModel(bytes, folder);
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const parts = async (): Promise<[decode: number, model: number, encode: number]> => [
        (await costOf(() => decode(connection, paths))).cpuMs,
        (await costOf(() => scoreInMemory(session, sample, BATCH))).cpuMs * (ROWS / sample),
        (await costOf(() => encode(connection, join(folder, 'encoded.parquet')))).cpuMs * FILES,
      ];
      const before = await parts();
      const job = await runJob(model, join(folder, 'all'));
      const after = await parts();
      const [decodeMs, modelMs, encodeMs] = [0, 1, 2].map(
        (part) => ((before[part] as number) + (after[part] as number)) / 2,
      ) as [number, number, number];
      const scoringMs = job.status.scoring_ms ?? Number.NaN;
      const ratio = (decodeMs + modelMs + encodeMs) / CORES / scoringMs;
      rounds.push({
        decodeMs,
        modelMs,
        encodeMs,
        scoringMs,
        wholeMs: job.wholeMs,
        ratio,
        states: job.status.state_ms,
      });
      console.log(
        `${name}, round ${round + 1}: ideal ${seconds((decodeMs + modelMs + encodeMs) / CORES)}, job ${seconds(scoringMs)}, ratio ${ratio.toFixed(3)}`,
      );
    }
    peaks.push([name, await peakOf(model, paths[0] as string), await peakOf(model, join(folder, 'all'))]);
    const small: { wholeMs: number; states: JobStatus['state_ms'] }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { wholeMs, status } = await runJob(model, join(folder, 'small.parquet'));
      small.push({ wholeMs, states: status.state_ms });
    }
    sections.push(section(name, rounds, small));
    await session[Symbol.asyncDispose]();
  }
  const report = page(sections, peaks);
  console.log(`\n${report}`);
  if (options.write) writeFileSync(fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url)), report);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs of their own: looking often enough for a job that scores for a second costs a fifth of a core. */
async function peakOf(model: ModelName, input: string): Promise<number> {
  const peaks: number[] = [];
  for (let round = 0; round < 3; round += 1) peaks.push((await runJob(model, input, true)).peakBytes);
  return median(peaks);
}

async function runJob(
  model: ModelName,
  input: string,
  watched = false,
): Promise<{ status: JobStatus; wholeMs: number; peakBytes: number }> {
  const home = mkdtempSync(join(folder, 'job-'));
  const started = performance.now();
  const job = startCli(
    [
      'run',
      '--json',
      '--model',
      join(folder, `${model}.onnx`),
      '--input',
      input,
      '--output',
      join(home, 'out'),
      '--key',
      'id',
      '--features',
      FEATURES.join(','),
      '--batch-size',
      String(BATCH),
      '--parallelism',
      String(CORES),
    ],
    home,
    {},
    [],
    COMPILED,
  );
  const memory = watched ? watchPeakMemory(job.child.pid as number, 0.2) : null;
  const result = await job.ended;
  memory?.stop();
  const wholeMs = performance.now() - started;
  const last = result.events.at(-1) as { event: string; job: JobStatus };
  if (result.code !== 0) throw new Error(`the job failed: ${result.stderr}\n${JSON.stringify(last)}`);
  rmSync(home, { recursive: true, force: true });
  return { status: last.job, wholeMs, peakBytes: memory?.peakBytes() ?? Number.NaN };
}

function section(
  name: string,
  rounds: readonly Round[],
  small: readonly { wholeMs: number; states: JobStatus['state_ms'] }[],
): string {
  const of = (pick: (round: Round) => number) => median(rounds.map(pick));
  const states = Object.keys(small[0]?.states ?? {}) as (keyof JobStatus['state_ms'])[];
  const parts = states
    .map((state) => `${state} ${seconds(median(small.map((each) => each.states[state] ?? 0)))}`)
    .join(', ');
  return `## ${name}, ${millions(ROWS)} rows

| | median of ${rounds.length} |
|---|---|
| decode only, CPU | ${seconds(of(({ decodeMs }) => decodeMs))} |
| model only in memory, CPU | ${seconds(of(({ modelMs }) => modelMs))} |
| encode only, CPU | ${seconds(of(({ encodeMs }) => encodeMs))} |
| ideal: their sum, divided by ${CORES} cores | ${seconds(of((round) => (round.decodeMs + round.modelMs + round.encodeMs) / CORES))} |
| job, from first claim to last completion | ${seconds(of(({ scoringMs }) => scoringMs))} (${millions((ROWS * 1_000) / of(({ scoringMs }) => scoringMs))} rows/s) |
| **ratio ideal / job** | **${of(({ ratio }) => ratio).toFixed(2)}** (${rounds.map(({ ratio }) => ratio.toFixed(2)).join(', ')}) |
| whole command, start to end | ${seconds(of(({ wholeMs }) => wholeMs))} |

A job of 1,000 rows takes ${seconds(median(small.map(({ wholeMs }) => wholeMs)))} as a whole command, of which the job itself: ${parts}; the
rest is starting and ending the command's own process.
`;
}

function page(parts: readonly string[], peaks: readonly [string, number, number][]): string {
  const memory = peaks.map(
    ([name, small, large]) =>
      `| ${name} | ${megabytes(small)} | ${megabytes(large)} | ${(large / small).toFixed(2)} |`,
  );
  return `# Benchmarks

Made by \`npm run bench\` on ${CORES} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}. Input: ${FILES} Parquet files, BIGINT key and 20
FLOAT features; output: key and score; batches of ${BATCH} rows; one worker per core. Absolute times are this machine's and vary; the
ratios compare with what was measured in the same round.

${parts.join('\n')}
## Memory

Peak of all processes together (PSS), median of three.

| | ${millions(ROWS / FILES)} rows | ${millions(ROWS)} rows | ratio |
|---|---|---|---|
${memory.join('\n')}
`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function millions(count: number): string {
  return `${(count / 1e6).toFixed(count < 1e6 ? 2 : 1)} M`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
