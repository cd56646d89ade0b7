import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { destinationBusy } from '../../core/job-refusals.ts';
import { checkResumable, unfinishedJob } from '../../manager/submit.ts';
import type { Registry } from '../../registry/registry.ts';
import { checkPreparedUnchanged, refuseInputOverlap } from '../../sources/prepare.ts';
import { jobIdentity } from '../../spec/identity.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { OpenLedger } from '../../state/sqlite/open-ledger.ts';
import type { Storage } from '../../storage/storage.ts';
import { localSink } from '../local-sink.ts';
import { EMBEDDED_TENANT } from '../state-folder.ts';

/** The job that `run` would go on with; null: none. Fails as a resume would. */
export async function lookAtUnfinished(
  spec: JobSpec,
  ledger: OpenLedger,
  registry: Registry,
  storage: Storage,
): Promise<string | null> {
  const job = await unfinishedJob(EMBEDDED_TENANT, jobIdentity(EMBEDDED_TENANT, spec), { ledger });
  if (job === null) return null;
  await checkResumable(EMBEDDED_TENANT, job.jobId, {
    ledger,
    registry,
    checkSourceUnchanged: (own, snapshot) => checkPreparedUnchanged(own.input, snapshot, storage),
  });
  return job.jobId;
}

/** Fails as a submission would for where its result is to go. */
export async function lookAtDestination(
  spec: JobSpec,
  { jobId, adopt }: { readonly jobId: string; readonly adopt: boolean },
  ledger: OpenLedger,
  storage: Storage,
): Promise<void> {
  const identity = jobIdentity(EMBEDDED_TENANT, spec);
  const holder = (await ledger.openJobs()).find(
    (job) => job.destination === spec.output.path && job.identity !== identity,
  );
  if (holder !== undefined) throw destinationBusy(holder, spec.output.path);
  try {
    await refuseInputOverlap(spec.input, spec.output.path);
  } catch (error) {
    // That there is no input is said where the input is looked at.
    if (!(error instanceof Failure) || error.code.startsWith('DESTINATION')) throw error;
  }
  await localSink(storage).check({ spec, jobId, adopt });
}

/** Of the file system that a path lies, or will lie, on; null: it does not say. */
export async function freeBytesAt(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return path === dirname(path) ? null : freeBytesAt(dirname(path));
  }
}
