import type { Compute } from '../compute/compute.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { RepairedFile } from '../core/retry.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Registry } from '../registry/registry.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Ledger } from '../state/ledger/ledger.ts';
import type { Models } from '../state/models/models.ts';
import type { Tenants } from '../state/tenants/tenants.ts';
import type { PathFence } from '../storage/path-fence.ts';
import type { Storage } from '../storage/storage.ts';
import type { Changes } from './changes.ts';
import type { Tokens } from './tokens.ts';

/** All that a manager meets of the outside, and its settings. */
export interface ManagerDeps {
  readonly ledger: Ledger;
  readonly models: Models;
  readonly tenants: Tenants;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly changes: Changes;
  readonly tokens: Tokens;
  readonly compute: Compute;
  readonly registry: Registry;
  /** Fails with SOURCE_CHANGED unless pinning the job's input again would give this snapshot. */
  readonly checkSourceUnchanged: (spec: JobSpec, snapshot: Snapshot) => Promise<void>;
  /** About how many bytes the job will read, found out quickly; 0 when that fails: pin will say why. */
  readonly inputBytes: (spec: JobSpec) => Promise<number>;
  /** Early look whether the columns that the specification names are in the input. Fails with COLUMN_*, WHERE_NOT_ALLOWED, SOURCE_*. */
  readonly checkNamedColumns: (spec: JobSpec) => Promise<void>;
  /** How many rows the job will read, if that can be told quickly; null: not so, or `signal` was aborted. */
  readonly countRows: (spec: JobSpec, signal: AbortSignal) => Promise<number | null>;
  /** Where the jobs of callers with an API key may read and write. */
  readonly fence: PathFence;
  /** Early look at the destination: mode, strangers in the folder, permissions, apart from the input. Fails with DESTINATION_*, SOURCE_*. */
  readonly checkDestination: (
    spec: JobSpec,
    jobId: string,
    adopt: boolean,
    /** The job whose result may be taken the place of. */
    replaces: string | null,
  ) => Promise<void>;
  /** What a file is recognised by. Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE. */
  readonly identifyRepaired: (path: string) => Promise<RepairedFile>;
  /** Removes what a finished job left at its destination for a rollback. */
  readonly discardAtDestination: (spec: JobSpec, jobId: string) => Promise<void>;
  /** Starts the task process of a job. */
  readonly startTask: (request: TaskRequest) => TaskProcess;
  /** Is it certain that this worker's process is gone? */
  readonly isProvablyDead: (worker: string) => boolean;
  readonly settings: ManagerSettings;
}

export interface ManagerSettings {
  /** Time that a worker or task may be silent. Default 10,000 ms. */
  readonly leaseMs: number;
  /** Jobs of one tenant that are worked on at once. Default 3. */
  readonly maxConcurrentJobs: number;
  /** Staging of finished jobs, and replaced outputs, are kept so long. Default 168 h. */
  readonly keepStagingMs: number;
  /** Of one job; null: no limit. Default 10,000,000 for a server, null otherwise. */
  readonly maxInputRows: number | null;
  /** Storage key of the folder for workspaces and models. */
  readonly workspaceKey: string;
  /**
   * Which unfinished jobs this manager works on: all of the ledger, only those submitted (or resumed) through it, or
   * none. `batchwright run` takes up no job that nobody asked it for.
   */
  readonly worksOn: 'all' | 'submitted-here' | 'nothing';
  /** Log files of jobs: `<folder>/<job id>.log`. */
  readonly logFolder: string;
}

export interface TaskRequest {
  readonly jobId: string;
  readonly token: string;
  readonly logFile: string;
  readonly onExit: (exit: { worker: string; code: number | null; signal: string | null }) => void;
}

export interface TaskProcess {
  readonly worker: string;
  kill(): void;
}
