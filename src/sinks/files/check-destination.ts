import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { MANIFEST_FILE } from '../../core/manifest.ts';
import { fsFailure } from '../../storage/fs-failure.ts';
import type { SinkJob } from '../sink.ts';
import { beside, type Destination } from './destination.ts';
import { folderContent, kindOf } from './folder-content.ts';
import { readPublishedManifest } from './published-manifest.ts';

const LONGEST_NAME_BYTES = 255;

/** Fails with DESTINATION_UNWRITABLE unless hidden siblings can be made beside the destination and renamed onto it. */
export async function requireWritable(to: Destination, { jobId, spec }: SinkJob): Promise<void> {
  const longest = beside.trash(to, jobId, '0'.repeat(60)).slice(to.parent.length + 1);
  if (Buffer.byteLength(longest) > LONGEST_NAME_BYTES) {
    throw unwritable(
      to,
      'its name is too long: with what is put beside it while publishing it passes 255 bytes',
    );
  }
  const kind = await kindOf(to.path);
  if (kind === 'no-folder') throw unwritable(to, 'it is a file, not a folder');
  const parent = await nearestFolder(to.parent, to);
  if (kind === 'folder' && (await stat(to.path)).dev !== (await stat(parent)).dev) {
    throw unwritable(
      to,
      'it is a mount point, and a result is moved in by renaming it; name a folder inside it',
    );
  }
  const needed = kind === 'folder' && spec.output.mode === 'append' ? [parent, to.path] : [parent];
  for (const folder of needed) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw fsFailure(error, 'Writing the destination', folder, 'DESTINATION_UNWRITABLE');
    }
  }
}

/**
 * Fails with DESTINATION_EXISTS or DESTINATION_FOREIGN if the job's mode does not allow for what is there. `at` is where
 * the destination's content lies just now.
 */
export async function requireRoom(
  to: Destination,
  job: SinkJob & { adopt: boolean },
  at = to.path,
): Promise<void> {
  const mode = job.replaces === undefined ? job.spec.output.mode : 'overwrite';
  const content = await folderContent(at);
  if (content.kind === 'absent' || content.kind === 'empty') return;
  if (content.kind === 'no-folder') throw unwritable(to, 'it is a file, not a folder');
  const place = { file: to.path, field: 'output.path' };
  if (job.replaces !== undefined) {
    const there = await readPublishedManifest(join(at, MANIFEST_FILE));
    const by = there === null || there === 'foreign' ? null : there.jobId;
    if (by !== job.replaces) {
      throw new Failure(
        'RETRY_SUPERSEDED',
        `${to.path} no longer holds the result of ${job.replaces}${by === null ? '' : `, but that of ${by}`}.`,
        { place, ...(by === null ? {} : { next: `Retry that one: batchwright retry ${by}` }) },
      );
    }
  }
  if (mode === 'error') {
    throw new Failure('DESTINATION_EXISTS', `${to.path} exists and is not empty, and output.mode is error.`, {
      place,
    });
  }
  if (content.kind === 'foreign' && !job.adopt) {
    throw new Failure(
      'DESTINATION_FOREIGN',
      `${to.path} holds ${content.stranger}, which Batchwright did not write.`,
      {
        place,
        ...(job.replaces === undefined ? {} : { next: 'Move it elsewhere, and give the retry again.' }),
      },
    );
  }
}

/** The deepest folder of the path that exists. */
async function nearestFolder(path: string, to: Destination): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return nearestFolder(dirname(path), to);
    if (code !== 'ENOTDIR')
      throw fsFailure(error, 'Looking up the destination', path, 'DESTINATION_UNWRITABLE');
  }
  throw unwritable(to, `${path} is not a folder`);
}

function unwritable(to: Destination, why: string): Failure {
  return new Failure('DESTINATION_UNWRITABLE', `${to.path} cannot be written: ${why}.`, {
    place: { file: to.path, field: 'output.path' },
  });
}
