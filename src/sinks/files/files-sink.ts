import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import type { PublishedInput } from '../../core/lease.ts';
import { MANIFEST_FILE } from '../../core/manifest.ts';
import { fsFailure, isAbsent } from '../../storage/fs-failure.ts';
import type { Storage } from '../../storage/storage.ts';
import type { PublishRequest, Sink, SinkContext, SinkJob } from '../sink.ts';
import { assemble, type OnStep } from './assemble.ts';
import { requireRoom, requireWritable } from './check-destination.ts';
import {
  acquireClaim,
  busyFailure,
  type Claim,
  mayFollow,
  type ProcessPorts,
  readChain,
  sweepClaims,
} from './claim.ts';
import { beside, type Destination, resolveDestination } from './destination.ts';
import { findPublished } from './find-published.ts';
import { readPublishedManifest } from './published-manifest.ts';
import { requireSameColumns } from './same-columns.ts';
import { halfWay, removeAssemblies, rollBack, switchIn, syncSwitched } from './switch-in.ts';

export interface FilesSinkDeps {
  readonly storage: Storage;
  readonly process: ProcessPorts;
  readonly onStep?: OnStep;
}

/** A discarded job is never published again: its claim outranks every task's. */
const LAST_FENCE = Number.MAX_SAFE_INTEGER;

/**
 * Publishes datasets of Parquet, CSV or JSON Lines files to local folders. The promise: exactly once, atomic per dataset.
 *
 * publish = claim the destination, bring back what a dead process left half-way, assemble the whole result beside the
 * destination, verify it, switch it in, release. Every step can be repeated: assemblies are thrown away and built anew,
 * and a result that is there already is recognised by its manifest.
 */
export function createFilesSink({ storage, process, onStep = () => {} }: FilesSinkDeps): Sink {
  return {
    check: (job) =>
      atEdge(job, async (to) => {
        await requireWritable(to, job);
        if ((await findPublished(to, job)) !== null) return;
        const chain = await readChain(to);
        const last = chain.at(-1);
        const claimant = { jobId: job.jobId, tenant: '', fence: LAST_FENCE };
        if (last !== undefined && !mayFollow(last, claimant, process)) throw busyFailure(last, to);
        await requireRoom(to, job, (await halfWay(to, chain))?.old);
      }),

    checkColumns: (job, columns, context) =>
      atEdge(job, async (to) => {
        const { mode, destination } = job.spec.output;
        if (mode === 'append') await requireSameColumns(to, columns, destination, context);
      }),

    publish: (request, context) =>
      atEdge(request, (to) => publish(to, request, context, storage, process, onStep)),

    async probe(job) {
      try {
        return await atEdge(job, async (to) => {
          if ((await findPublished(to, job)) !== null) return 'published';
          return (await halfWay(to, await readChain(to)))?.jobId === job.jobId ? 'partial' : 'absent';
        });
      } catch (error) {
        if (error instanceof Failure) return 'unknown';
        throw error;
      }
    },

    discard: (job) =>
      atEdge(job, async (to) => {
        try {
          await restoreUnfinished(to, job, process);
          await removeAssemblies(to, job.jobId, LAST_FENCE, randomUUID());
          await sweepClaims(to);
        } catch (error) {
          if (!isAbsent(error)) throw error;
        }
        await rm(beside.old(to, job.jobId), { recursive: true, force: true });
      }),
  };
}

async function publish(
  to: Destination,
  request: PublishRequest,
  context: SinkContext,
  storage: Storage,
  process: ProcessPorts,
  onStep: OnStep,
): Promise<PublishedInput> {
  await requireWritable(to, request);
  await mkdir(to.parent, { recursive: true });
  const claim = await acquireClaim(to, request, process);
  try {
    await onStep('claimed');
    await claim.requireHeld();
    await rollBack(to, claim.chain);
    await onStep('rolled back');
    await claim.requireHeld();
    await removeAssemblies(to, request.jobId, request.fence, randomUUID());
    const published =
      (await findPublished(to, request)) ?? (await publishAnew(to, request, context, storage, claim, onStep));
    await syncSwitched(to, request);
    return published;
  } catch (error) {
    // Whatever went wrong after somebody took over is a consequence of it.
    await claim.requireHeld();
    throw error;
  } finally {
    await claim.release();
    await onStep('released');
  }
}

async function publishAnew(
  to: Destination,
  request: PublishRequest,
  context: SinkContext,
  storage: Storage,
  claim: Claim,
  onStep: OnStep,
): Promise<PublishedInput> {
  await requireRoom(to, request);
  await requireColumns(to, request, context, storage);
  const assembly = beside.assembly(to, request.jobId, request.fence);
  try {
    await assemble(assembly, request, storage, context, onStep);
    await requireRecognisable(assembly, request);
    await onStep('assembled');
    await switchIn(to, request, assembly, claim, onStep);
  } catch (error) {
    await rm(assembly, { recursive: true, force: true });
    throw error;
  }
  const published = await findPublished(to, request);
  if (published === null) throw new Error('what was switched in is not there');
  return published;
}

/** Everything after a crash rests on finding the job's id in its manifest. */
async function requireRecognisable(assembly: string, { jobId }: PublishRequest): Promise<void> {
  const manifest = await readPublishedManifest(join(assembly, MANIFEST_FILE));
  if (manifest === null || manifest === 'foreign' || manifest.jobId !== jobId) {
    throw new Error('the manifest given does not name its job');
  }
}

async function requireColumns(
  to: Destination,
  request: PublishRequest,
  context: SinkContext,
  storage: Storage,
): Promise<void> {
  const [first] = request.parts;
  if (request.spec.output.mode !== 'append' || first === undefined) return;
  const [described] = await context.engine.describe([await storage.localPath(first.key)], context.signal);
  await requireSameColumns(to, described?.columns ?? [], request.spec.output.destination, context);
}

/** A job that ended (failed) while its publish was half-way: what it had moved away comes back. */
async function restoreUnfinished(to: Destination, { jobId }: SinkJob, process: ProcessPorts): Promise<void> {
  const chain = await readChain(to);
  if (chain.at(-1)?.jobId !== jobId) return;
  const claim = await acquireClaim(
    to,
    { jobId, tenant: chain.at(-1)?.tenant ?? '', fence: LAST_FENCE },
    process,
  );
  try {
    await rollBack(to, claim.chain);
  } finally {
    await claim.release();
  }
}

/** Errors of the file system become failures here and nowhere else in this folder. */
async function atEdge<Answer>(job: SinkJob, work: (to: Destination) => Promise<Answer>): Promise<Answer> {
  try {
    return await work(await resolveDestination(job.spec.output.path));
  } catch (error) {
    // Of a copy or a rename, where to: what is copied from is ours and there.
    const { path, dest } = error as NodeJS.ErrnoException & { dest?: string };
    const file = dest ?? path ?? job.spec.output.path;
    throw fsFailure(error, 'Publishing', file, 'DESTINATION_UNWRITABLE');
  }
}
