import { addCounts, type Counts, countsBalance, NO_ROWS } from '../../core/counts.ts';
import { Failure } from '../../core/errors.ts';
import type { PartRow } from '../../core/lease.ts';
import { answeredCounts, requireTakenBalances, type TakenFile, wholeFiles } from '../../core/retry.ts';
import type { TaskJob } from '../../core/wire.ts';
import type { DataEngine } from '../../data/engine.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';

/** What was checked before publishing, as the manifest tells it. */
export interface Checks {
  /** Accepted ranges tile the rows, and read = scored + rejected + filtered in each and in all. */
  readonly row_accounting: { readonly ranges: number; readonly counts: Counts };
  /** Each accepted file is in the staging with the size that the ledger has. */
  readonly files: { readonly parts: number; readonly rejects: number };
  /** Null: the key was not declared unique. */
  readonly unique_key: { readonly column: string } | null;
  /** Only of a partial retry: what is taken over and its own rows are the rows of the job that is tried again. */
  readonly whole_result?: { readonly taken: Counts; readonly own: Counts; readonly counts: Counts };
}

/**
 * Looks at the staged result before anything of it is shown. The ledger refuses to complete what does not add up, too;
 * this finds it while the old output is still in place.
 *
 * Fails with ACCOUNTING, PART_CORRUPT, DUPLICATE_KEY.
 */
export async function audit(job: TaskJob, storage: Storage, engine: DataEngine): Promise<Checks> {
  const { pinned } = job;
  if (pinned === null) throw new Error('a job is audited after it was pinned');
  const { parts, bound } = pinned;
  const counts = checkAccounts(parts);
  const base = job.retry?.base ?? null;
  // The ledger has compared the sum with the rows of the job that is tried again, when the retry was planned.
  if (base !== null) requireTakenBalances(base);
  const whole = { jobId: job.jobId, parts, base };
  const [scored, rejected] = [wholeFiles('parts', whole), wholeFiles('rejects', whole)];
  await checkFiles([...scored, ...rejected], storage);
  const spec = job.spec as JobSpec;
  const key = spec.input.unique_key ? bound.key : null;
  if (key !== null) await checkUnique(key, scored, storage, engine);
  return {
    row_accounting: { ranges: parts.length, counts },
    files: { parts: scored.length, rejects: rejected.length },
    unique_key: key === null ? null : { column: key },
    ...(base === null
      ? {}
      : { whole_result: { taken: base.counts, own: counts, counts: answeredCounts(counts, base) } }),
  };
}

function checkAccounts(parts: readonly PartRow[]): Counts {
  let counts = NO_ROWS;
  let row = 0;
  for (const part of [...parts].sort((a, b) => a.range.start - b.range.start)) {
    if (part.range.start !== row)
      throw new Failure(
        'ACCOUNTING',
        `Rows ${row} to ${part.range.start} are in no accepted shard, or in two.`,
      );
    row = part.range.end;
    const balanced = countsBalance(part.counts) && part.counts.read === part.range.end - part.range.start;
    const stored =
      (part.part?.rows ?? 0) === part.counts.scored && (part.rejects?.rows ?? 0) === part.counts.rejected;
    if (!balanced || !stored)
      throw new Failure('ACCOUNTING', `The counts of shard ${part.shardId} do not add up.`);
    counts = addCounts(counts, part.counts);
  }
  return counts;
}

async function checkFiles(files: readonly TakenFile[], storage: Storage): Promise<void> {
  for (const { file } of files) {
    const found = await storage.stat(file.key);
    if (found?.sizeBytes === file.sizeBytes) continue;
    const what = found === null ? 'is gone' : `has ${found.sizeBytes} bytes instead of ${file.sizeBytes}`;
    throw new Failure('PART_CORRUPT', `The staged file ${file.key} ${what}.`, { place: { file: file.key } });
  }
}

async function checkUnique(
  key: string,
  files: readonly TakenFile[],
  storage: Storage,
  engine: DataEngine,
): Promise<void> {
  const paths = await Promise.all(files.map(({ file }) => storage.localPath(file.key)));
  const duplicate = await engine.findDuplicate(paths, key);
  if (duplicate === null) return;
  throw new Failure(
    'DUPLICATE_KEY',
    `${key} = ${duplicate.key} stands in ${duplicate.rows} rows, and input.unique_key is true.`,
    {
      place: { field: key, row: duplicate.key },
    },
  );
}
