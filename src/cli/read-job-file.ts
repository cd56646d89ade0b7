import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Failure } from '../core/errors.ts';
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
