/**
 * What provisions workers. It starts, scales, observes and stops processes; it never touches data and knows nothing of
 * shards. A worker needs three things: the manager's URL, a token for its job, and where the storage's root is for it.
 */
export interface Compute {
  /** How many workers can usefully run at once. */
  readonly slots: number;
  /** Memory that may be shared out among the workers, in MB. */
  readonly memoryMb: number;
  provision(request: FleetRequest): Fleet;
}

export interface FleetRequest {
  readonly jobId: string;
  readonly managerUrl: string;
  readonly token: string;
  /** Where workers write their log lines, appended. */
  readonly logFile: string;
  /** A worker ended that nobody had told to. */
  readonly onExit: (exit: WorkerExit) => void;
}

export interface WorkerExit {
  /** The id under which the worker claimed. */
  readonly worker: string;
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Fleet {
  /** Ids of the running workers. */
  workers(): readonly string[];
  /** Starts workers until there are `count`; never stops one. */
  scaleUp(count: number): void;
  /** Asks all to finish the batch in hand and hand the rest back; kills what is left after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}
