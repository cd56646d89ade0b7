import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { RunningCli } from '../test/support/cli.ts';

/** What `kills.ts` does to a command: it waits for a state of its job, then a random moment, then kills. */

export const STATES = ['preparing', 'running', 'completing'] as const;
export const VICTIMS = ['worker', 'task', 'manager', 'all'] as const;
export type State = (typeof STATES)[number];
export type Victim = (typeof VICTIMS)[number];

/** About how long a state lasts here: kills fall anywhere into it. */
const PATIENCE_MS: Record<State, number> = { preparing: 250, running: 500, completing: 120 };
/** About how long a shard is being scored. */
const LEASED_MS = 150;

export interface Hit {
  readonly state: State;
  readonly victim: Victim;
  readonly leasedRows: number;
}

/** Waits for the state, then a random moment, then kills. Null: the job was over before. */
export async function killAt(
  run: RunningCli,
  folder: string,
  target: State,
  random: () => number,
): Promise<Hit | null> {
  const ledger = await ledgerOf(folder, run);
  if (ledger === null) return null;
  try {
    // Workers need longer to start than to score: half of the time it is a lease that is waited for.
    const aims = target === 'running' && random() < 0.5;
    const seen = await until(run, () => {
      const state = currentState(ledger);
      const isPast = STATES.indexOf(state as State) > STATES.indexOf(target);
      return isPast || (aims ? hasLease(ledger) : state === target);
    });
    if (!seen) return null;
    await pause(random() * (aims ? LEASED_MS : PATIENCE_MS[target]));
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] as Victim;
    const pids = pidsOf(run.child.pid as number, victim);
    const state = currentState(ledger);
    if (pids.length === 0 || !STATES.includes(state as State)) return null;
    const leasedRows = leasedNow(ledger, pids, run.child.pid as number);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in this very moment.
      }
    }
    return { state: state as State, victim, leasedRows };
  } finally {
    ledger.close();
  }
}

async function ledgerOf(folder: string, run: RunningCli): Promise<Database.Database | null> {
  const file = join(folder, 'state', 'ledger.sqlite');
  let ledger: Database.Database | null = null;
  const opened = await until(run, () => {
    try {
      ledger = new Database(file, { readonly: true, fileMustExist: true });
      ledger.prepare('SELECT state FROM job LIMIT 1').get();
      return true;
    } catch {
      ledger?.close();
      ledger = null;
      return false;
    }
  });
  return opened ? ledger : null;
}

/** Of the newest job. */
function currentState(ledger: Database.Database): string {
  const row = ledger
    .prepare<[], { state: string }>('SELECT state FROM job ORDER BY created_ms DESC, rowid DESC LIMIT 1')
    .get();
  return row?.state ?? 'none';
}

function hasLease(ledger: Database.Database): boolean {
  return ledger.prepare("SELECT 1 FROM shard WHERE state = 'leased' LIMIT 1").get() !== undefined;
}

/** Rows under a lease of those that are about to be killed; when the manager goes, all of them. */
function leasedNow(ledger: Database.Database, pids: readonly number[], manager: number): number {
  const rows = ledger
    .prepare<[], { worker: string; rows: number }>(
      "SELECT worker, row_end - row_start AS rows FROM shard WHERE state = 'leased'",
    )
    .all();
  return rows
    .filter(({ worker }) => pids.includes(manager) || pids.includes(Number(worker.split(':')[2])))
    .reduce((sum, row) => sum + row.rows, 0);
}

/** Rows that were claimed more than once, over all jobs of the folder. */
export function scoredTwice(folder: string): number {
  const ledger = new Database(join(folder, 'state', 'ledger.sqlite'), { readonly: true });
  try {
    const row = ledger
      .prepare<[], { doubled: number }>(
        "SELECT coalesce(sum((attempt - 1) * (row_end - row_start)), 0) AS doubled FROM shard WHERE state = 'accepted'",
      )
      .get();
    return row?.doubled ?? 0;
  } finally {
    ledger.close();
  }
}

function pidsOf(manager: number, victim: Victim): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) !== manager) return [];
        return [{ pid: Number(name), arguments: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') }];
      } catch {
        return [];
      }
    });
  const of = (kind: string) =>
    children.filter((child) => child.arguments.includes(kind)).map(({ pid }) => pid);
  if (victim === 'worker') return of('worker').slice(0, 1);
  if (victim === 'task') return of('task');
  if (victim === 'manager') return [manager];
  return [manager, ...of('worker'), ...of('task')];
}

async function until(run: RunningCli, condition: () => boolean): Promise<boolean> {
  while (run.child.exitCode === null && run.child.signalCode === null) {
    if (condition()) return true;
    await pause(2);
  }
  return false;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
