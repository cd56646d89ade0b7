import { randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { syncToDisk } from '../../storage/durable.ts';
import { errnoOf, isAbsent } from '../../storage/fs-failure.ts';
import { beside, type Destination } from './destination.ts';

/**
 * The right to change a destination: at most one process has it, also when jobs of different state folders meet, and
 * whatever is killed when.
 *
 * A claim is a small file with a nonce of its own, written whole and then linked to a name that must be free; nothing is
 * ever overwritten or renamed. The first claim is linked to `lock`. Who may take over from a claim links its own to
 * `lock.<nonce of that claim>`: of several that try, one succeeds. So claims form a chain, and the last one holds.
 *
 *     lock (A, died)  ->  lock.<A> (B, died)  ->  lock.<B> (C holds)
 *
 * - Linking is followed by a walk from `lock`. Who does not find itself at the end was late: the chain it had seen is
 *   gone. Nonces never come back, so an old name cannot join a new chain.
 * - Releasing links one more claim, marked `released`, behind one's own: from then on nobody can take over, and if
 *   somebody has, the link fails and nothing is touched. Then `lock` is removed, which ends the chain at once, then the
 *   rest. A releaser that dies between is followed like any other.
 * - Another job may take over only if the holder's process is certainly dead, and must first bring the destination back
 *   to what it was (`rollBack`). A higher fence of the same job always may: the ledger has given the task to it, and
 *   whatever the older process still does is caught by names that carry the fence (see `switch-in.ts`).
 * - Of a process on another machine, or before a restart of this one, nothing is certain: DESTINATION_BUSY names the file
 *   that a person may remove.
 */
export interface ClaimRecord {
  readonly nonce: string;
  readonly jobId: string;
  readonly tenant: string;
  readonly fence: number;
  readonly host: string;
  readonly pid: number;
  /** As `ProcessPorts.identity`: tells the process apart from any other that ever had its pid. */
  readonly process: string;
  readonly released: boolean;
}

export interface Claim {
  /** All claims from the first, ours being the last. The destination may be half-way in the hands of any of them. */
  readonly chain: readonly ClaimRecord[];
  isHeld(): Promise<boolean>;
  /** Fails with PUBLISH_SUPERSEDED once a higher fence has taken over. */
  requireHeld(): Promise<void>;
  /**
   * Nothing happens if the claim was taken over. If the file system refuses (a full disk), the claim ends with this
   * process, whose death others can see.
   */
  release(): Promise<void>;
}

export interface ProcessPorts {
  /** Of this process: differs from every other process's, also from earlier ones with its pid. */
  readonly identity: string;
  /** True only if it is certain that this process is gone. */
  readonly isProvablyDead: (identity: string) => boolean;
}

export interface Claimant {
  readonly jobId: string;
  readonly tenant: string;
  readonly fence: number;
}

/** Fails with DESTINATION_BUSY or PUBLISH_SUPERSEDED. The parent folder must exist. */
export async function acquireClaim(to: Destination, claimant: Claimant, ports: ProcessPorts): Promise<Claim> {
  const mine = recordOf(claimant, ports, false);
  for (;;) {
    const seen = await readChain(to);
    const last = seen.at(-1);
    if (last !== undefined) requireMayFollow(last, mine, to, ports);
    const path = last === undefined ? beside.claim(to) : beside.successor(to, last.nonce);
    if (!(await linkRecord(to, mine, path))) continue;
    const chain = await readChain(to);
    if (chain.some(({ nonce }) => nonce === mine.nonce)) {
      await syncToDisk(to.parent);
      return heldClaim(to, mine, chain, ports);
    }
    await removeFiles([path]);
  }
}

/** Claims from the first to the one that holds; empty when the destination is free. */
export async function readChain(to: Destination): Promise<ClaimRecord[]> {
  const chain: ClaimRecord[] = [];
  for (let path = beside.claim(to); ; ) {
    const record = await readRecord(path);
    if (record === null) return chain;
    chain.push(record);
    path = beside.successor(to, record.nonce);
  }
}

export function busyFailure(holder: ClaimRecord, to: Destination): Failure {
  const by = `job ${holder.jobId} (process ${holder.pid} on ${holder.host})`;
  return new Failure('DESTINATION_BUSY', `${to.path} is being published to by ${by}.`, {
    place: { file: to.path, field: 'output.path' },
    next: `Wait for it. If that process is certainly gone, run its job again, or remove ${beside.claim(to)}.`,
  });
}

/** A claim that is being released belongs to its process alone: it may be about to remove the chain. */
export function mayFollow(last: ClaimRecord, mine: Claimant, ports: ProcessPorts): boolean {
  if (ports.isProvablyDead(last.process)) return last.jobId !== mine.jobId || mine.fence >= last.fence;
  return !last.released && last.jobId === mine.jobId && mine.fence > last.fence;
}

function requireMayFollow(last: ClaimRecord, mine: ClaimRecord, to: Destination, ports: ProcessPorts): void {
  if (mayFollow(last, mine, ports)) return;
  if (last.jobId === mine.jobId && last.fence > mine.fence) throw superseded(mine, to);
  throw busyFailure(last, to);
}

function heldClaim(
  to: Destination,
  mine: ClaimRecord,
  chain: readonly ClaimRecord[],
  ports: ProcessPorts,
): Claim {
  const isHeld = async () => (await readChain(to)).at(-1)?.nonce === mine.nonce;
  return {
    chain,
    isHeld,
    async requireHeld() {
      if (!(await isHeld())) throw superseded(mine, to);
    },
    async release() {
      try {
        await endChain(to, mine, recordOf(mine, ports, true));
      } catch (error) {
        if (errnoOf(error) === null) throw error;
      }
    },
  };
}

async function endChain(to: Destination, mine: ClaimRecord, end: ClaimRecord): Promise<void> {
  if (!(await linkRecord(to, end, beside.successor(to, mine.nonce)))) return;
  const chain = await readChain(to);
  if (chain.at(-1)?.nonce !== end.nonce) {
    // Our chain was removed by hand: there is nothing left that is ours but this.
    await removeFiles([beside.successor(to, mine.nonce)]);
    return;
  }
  const successors = chain.slice(0, -1).map(({ nonce }) => beside.successor(to, nonce));
  await removeFiles([beside.claim(to), ...successors]);
}

function recordOf({ jobId, tenant, fence }: Claimant, ports: ProcessPorts, released: boolean): ClaimRecord {
  return {
    nonce: randomUUID(),
    jobId,
    tenant,
    fence,
    host: hostname(),
    pid: process.pid,
    process: ports.identity,
    released,
  };
}

/** False: the name is taken. The record is durable before its name can be seen. */
async function linkRecord(to: Destination, record: ClaimRecord, path: string): Promise<boolean> {
  const unlinked = beside.unlinkedClaim(to, record.jobId, record.nonce);
  try {
    const file = await open(unlinked, 'w', 0o644);
    try {
      await file.writeFile(`${JSON.stringify(record)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(unlinked, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await removeFiles([unlinked]);
  }
}

async function readRecord(path: string): Promise<ClaimRecord | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  try {
    const record = JSON.parse(text) as ClaimRecord;
    if (typeof record.nonce === 'string' && typeof record.jobId === 'string') return record;
  } catch {
    // Falls through: we write records whole, so this is somebody else's file.
  }
  throw new Failure('DESTINATION_UNWRITABLE', `${path} is not a claim that Batchwright wrote.`, {
    place: { file: path },
    next: 'If no job is publishing to this destination, remove the file.',
  });
}

async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await unlink(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  }
}

/**
 * Removes pieces of chains that are no more: what a releaser left that died before its last step. Safe at any time: what
 * is listed first and is not in the chain read afterwards can never be part of one again.
 */
export async function sweepClaims(to: Destination): Promise<void> {
  const prefix = `${beside.prefix(to)}lock.`;
  const names = (await readdir(to.parent)).filter((name) => name.startsWith(prefix));
  const alive = new Set((await readChain(to)).map(({ nonce }) => nonce));
  const dead = names.filter((name) => !alive.has(name.slice(prefix.length)));
  await removeFiles(dead.map((name) => join(to.parent, name)));
}

function superseded({ jobId, fence }: Claimant, to: Destination): Failure {
  return new Failure(
    'PUBLISH_SUPERSEDED',
    `A newer task publishes job ${jobId}; this one has fence ${fence}.`,
    {
      place: { file: to.path },
    },
  );
}
