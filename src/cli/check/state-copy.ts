import { copyFileSync, existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { type OpenLedger, openLedgerInProcess } from '../../state/sqlite/open-ledger.ts';
import { hasState } from '../state-folder.ts';
import { systemClock, systemRandom } from '../system-ports.ts';

/** A manager at work writes often, but not all the time. */
const TRIES = 50;

/**
 * Ledger and models of a state folder as they are just now, in a copy below `scratch`: nothing in the folder is locked,
 * migrated or written. Where there is none: an empty one. Fails with STATE_UNUSABLE, STATE_LOCKED, STATE_TOO_NEW.
 */
export async function openStateCopy(state: string, scratch: string): Promise<OpenLedger> {
  if (!hasState(state)) return openLedgerInProcess({ file: ':memory:', random: systemRandom });
  const from = join(state, 'ledger.sqlite');
  const to = join(scratch, 'ledger.sqlite');
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const before = versionOf(from);
    copy(from, to);
    // The copy is what the database was at one moment if neither file changed meanwhile: both are written in place.
    if (before === versionOf(from)) return openLedgerInProcess({ file: to, random: systemRandom });
    await systemClock.sleep(20);
  }
  throw new Failure(
    'STATE_LOCKED',
    `The ledger in ${state} changes all the time: it could not be looked at.`,
    {
      place: { file: state },
      next: 'Try again when its jobs have less to do.',
    },
  );
}

function versionOf(file: string): string {
  return [file, `${file}-wal`]
    .map((each) => statSync(each, { bigint: true, throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? 'none' : `${stat.ino} ${stat.size} ${stat.mtimeNs}`))
    .join(', ');
}

function copy(from: string, to: string): void {
  try {
    rmSync(`${to}-wal`, { force: true });
    copyFileSync(from, to);
    if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${to}-wal`);
  } catch (error) {
    throw new Failure(
      'STATE_UNUSABLE',
      `The ledger ${from} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      { place: { file: from }, cause: error },
    );
  }
}
