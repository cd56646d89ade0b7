import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Failure } from '../core/errors.ts';
import { type FlagValues, JOB_FLAGS } from '../spec/flags.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { JobFile } from '../spec/spec-from-flags.ts';
import { didYouMean } from '../storage/similar-file.ts';

/** Fails with USAGE when the file cannot be read. */
export function readJobFile(path: string): JobFile {
  try {
    return { text: readFileSync(path, 'utf8'), name: path, folder: dirname(resolve(path)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? `does not exist${didYouMean(path) || '.'}`
        : code === 'EISDIR'
          ? 'is a folder.'
          : `cannot be read (${code}).`;
    throw new Failure('USAGE', `The job file ${path} ${why}`, {
      place: { file: path },
      next: 'batchwright run job.yaml, or batchwright run --help for the flags.',
      cause: error,
    });
  }
}

/** The specification that a job file, flags, or both together make. Fails like `jobSpecFromFlags`, and with USAGE. */
export async function readJob(jobFile: string | undefined, flags: FlagValues): Promise<JobSpec> {
  requireJob(jobFile, flags);
  // The schema is loaded by those who need it, not by `--help`.
  const { jobSpecFromFlags } = await import('../spec/spec-from-flags.ts');
  const file = jobFile === undefined ? undefined : readJobFile(jobFile);
  return jobSpecFromFlags(flags, process.cwd(), file, readSqlFile);
}

/** Nothing was said at all: fails with USAGE, and says how to begin. */
function requireJob(jobFile: string | undefined, flags: FlagValues): void {
  const given = JOB_FLAGS.some(({ flag }) => flags[flag] !== undefined && flags[flag] !== false);
  if (jobFile !== undefined || given) return;
  throw new Failure('USAGE', 'There is no job file, and there are no flags that make up for one.', {
    next: existsSync('job.yaml')
      ? 'Did you mean: batchwright run job.yaml'
      : "batchwright run job.yaml; to have one written: batchwright init --model m.onnx --input 'in/*.csv'",
  });
}

/** The SQL that `input.transform` names by its file. Throws what reading it throws. */
export function readSqlFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? `does not exist${didYouMean(path) || '.'}` : `cannot be read (${code}).`;
    throw new Failure('USAGE', `${path} ${why}`, { place: { file: path }, cause: error });
  }
}
