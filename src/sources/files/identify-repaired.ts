import { open } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import type { RepairedFile } from '../../core/retry.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import { fsFailure, isAbsent } from '../../storage/fs-failure.ts';

/** Reads a file with repaired records through, to recognise it. Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE. */
export async function identifyRepaired(path: string): Promise<RepairedFile> {
  try {
    await using file = await open(path, 'r');
    return { path, ...(await fileSha256(file)) };
  } catch (error) {
    if (isAbsent(error))
      throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, {
        place: { file: path },
        cause: error,
      });
    throw fsFailure(error, 'Reading the repaired records', path, 'SOURCE_UNREADABLE');
  }
}
