import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { fsFailure, isAbsent } from '../../storage/fs-failure.ts';

/**
 * The folder that a job publishes to, and the hidden names beside it, `.<name>.batchwright-...`. They are siblings so
 * that they lie on the same file system and one rename moves a whole result. No name can be that of two things: ids of
 * jobs hold no dot.
 */
export interface Destination {
  /** With links resolved: a destination that is a link to a folder is that folder. */
  readonly path: string;
  /** As the specification says it: what an engine was allowed to read. */
  readonly given: string;
  readonly parent: string;
  readonly name: string;
}

export async function resolveDestination(given: string): Promise<Destination> {
  const wanted = resolve(given);
  const path = await realPath(wanted, wanted);
  return { path, given: wanted, parent: dirname(path), name: basename(path) };
}

export const beside = {
  prefix: ({ name }: Destination): string => `.${name}.batchwright-`,
  /** The result of one task of a job, while it is put together. */
  assembly: (to: Destination, jobId: string, fence: number): string => hidden(to, `${plain(jobId)}.${fence}`),
  assembliesOf: (to: Destination, jobId: string): string => `${beside.prefix(to)}${plain(jobId)}.`,
  /** On its way out: never renamed to anything, so that it can be removed file by file. */
  trash: (to: Destination, jobId: string, nonce: string): string =>
    hidden(to, `${plain(jobId)}.trash.${nonce}`),
  /** What the job replaced; an empty file if there was nothing to replace. */
  old: (to: Destination, jobId: string): string => hidden(to, `old-${plain(jobId)}`),
  claim: (to: Destination): string => hidden(to, 'lock'),
  successor: (to: Destination, nonce: string): string => hidden(to, `lock.${nonce}`),
  unlinkedClaim: (to: Destination, jobId: string, nonce: string): string =>
    hidden(to, `${plain(jobId)}.claim.${nonce}`),
};

function hidden(to: Destination, suffix: string): string {
  return join(to.parent, `${beside.prefix(to)}${suffix}`);
}

function plain(jobId: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(jobId))
    throw new Error(`${JSON.stringify(jobId)} is not the id of a job`);
  return jobId;
}

/** Resolves the links of what exists; what does not exist yet is appended as it is. */
async function realPath(path: string, given: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isAbsent(error))
      throw fsFailure(error, 'Following the path of the destination', given, 'DESTINATION_UNWRITABLE');
    if ((await lstat(path).catch(() => null))?.isSymbolicLink()) {
      throw new Failure('DESTINATION_UNWRITABLE', `${path} is a symbolic link that leads nowhere.`, {
        place: { file: path },
      });
    }
    return join(await realPath(dirname(path), given), basename(path));
  }
}
