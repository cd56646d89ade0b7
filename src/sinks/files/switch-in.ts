import { mkdir, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { syncToDisk } from '../../storage/durable.ts';
import { errnoOf, isAbsent } from '../../storage/fs-failure.ts';
import type { PublishRequest, SinkJob } from '../sink.ts';
import type { OnStep } from './assemble.ts';
import type { Claim, ClaimRecord } from './claim.ts';
import { beside, type Destination } from './destination.ts';
import { publishedFolder } from './find-published.ts';
import { isEmptyFolder, kindOf } from './folder-content.ts';

/**
 * Makes an assembled result visible, under a claim.
 *
 * - `error`: one rename onto a name that is free or an empty folder.
 * - `append`: one rename into the destination folder, which is made if need be.
 * - `overwrite`: the destination is renamed to `old-<job>`, the result to the destination. Between the two renames there
 *   is no destination: readers meet the old result, none for an instant, or the new one. The old one is kept.
 *
 * A job that `replaces` another's result is switched in as with `overwrite`.
 *
 * A process that was superseded and wakes between its check and its rename does no harm: its assembly is gone (the
 * successor has renamed it to trash), a published result cannot be renamed onto, and `old-<job>` is taken: by what was
 * replaced, or by a mark, a file with the fence, where there was nothing to replace.
 */
export async function switchIn(
  to: Destination,
  job: PublishRequest,
  assembly: string,
  claim: Claim,
  onStep: OnStep,
): Promise<void> {
  const mode = job.replaces === undefined ? job.spec.output.mode : 'overwrite';
  if (mode === 'append' && (await kindOf(to.path)) === 'absent') {
    await mkdir(to.path);
    await syncToDisk(to.parent);
  }
  await claim.requireHeld();
  await onStep('about to move the old away');
  const movedAway = mode === 'overwrite' && (await moveAway(to, job));
  await onStep('old moved away');
  const final = publishedFolder(to.path, job);
  try {
    await claim.requireHeld();
    await onStep('about to move the new in');
    await rename(assembly, final);
  } catch (error) {
    if (movedAway && (await claim.isHeld())) await rename(beside.old(to, job.jobId), to.path);
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    const code = mode === 'error' ? 'DESTINATION_EXISTS' : 'STORAGE_FAILED';
    throw new Failure(code, `${final} was made by somebody else meanwhile, and is not empty.`, {
      place: { file: final },
      cause: error,
    });
  }
  await onStep('new moved in');
  await syncSwitched(to, job);
}

/** Makes what `switchIn` did survive a power loss; again, where a process died before it could. */
export async function syncSwitched(to: Destination, { spec }: SinkJob): Promise<void> {
  if (spec.output.mode === 'append') await syncToDisk(to.path);
  await syncToDisk(to.parent);
}

/** Where the previous output lies while a job is between the two renames of an overwrite. Null: nothing is half-way. */
export async function halfWay(
  to: Destination,
  chain: readonly ClaimRecord[],
): Promise<{ old: string; jobId: string } | null> {
  if (chain.length === 0 || !(await isEmptyFolder(to.path))) return null;
  const names = await readdir(to.parent);
  for (const { jobId } of chain.toReversed()) {
    const old = beside.old(to, jobId);
    // Without an assembly waiting to follow, the job was done, and it is somebody else who took its result away.
    const waiting = names.some((name) => isAssembly(name, to, jobId));
    if (waiting && (await kindOf(old)) === 'folder') return { old, jobId };
  }
  return null;
}

/** Brings back the previous output, if any claimant of the chain died half-way. The claim must be held. */
export async function rollBack(to: Destination, chain: readonly ClaimRecord[]): Promise<void> {
  const found = await halfWay(to, chain);
  if (found === null) return;
  await rename(found.old, to.path);
  await syncToDisk(to.parent);
}

/**
 * Removes what tasks of a job, up to a fence, have put together and not published. What is being removed is never what a
 * rename could still make visible.
 */
export async function removeAssemblies(
  to: Destination,
  jobId: string,
  upTo: number,
  nonce: string,
): Promise<void> {
  const prefix = beside.assembliesOf(to, jobId);
  for (const name of (await readdir(to.parent)).filter((each) => each.startsWith(prefix))) {
    const path = join(to.parent, name);
    if (!isAssembly(name, to, jobId)) {
      await rm(path, { recursive: true, force: true });
    } else if (Number(name.slice(prefix.length)) <= upTo) {
      const trash = beside.trash(to, jobId, `${nonce}-${name.slice(prefix.length)}`);
      await rename(path, trash).catch((error: unknown) => {
        // Its process was not dead after all, and has published it.
        if (!isAbsent(error)) throw error;
      });
      await rm(trash, { recursive: true, force: true });
    }
  }
}

function isAssembly(name: string, to: Destination, jobId: string): boolean {
  const prefix = beside.assembliesOf(to, jobId);
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}

async function moveAway(to: Destination, { jobId, fence }: PublishRequest): Promise<boolean> {
  const old = beside.old(to, jobId);
  const isMark = (await kindOf(old)) === 'no-folder';
  if (await isEmptyFolder(to.path)) {
    if (isMark || (await kindOf(old)) === 'absent') await writeFile(old, String(fence));
    return false;
  }
  // The mark of an earlier try of ours, before somebody else published here. A newer task's mark stays, and stops us.
  if (isMark && Number(await readFile(old, 'utf8')) < fence) await unlink(old);
  await rename(to.path, old);
  return true;
}
