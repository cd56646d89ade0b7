import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { JOB_STATES, type JobState } from '../core/states.ts';

/** What the ledger says of all jobs together. */
export interface Figures {
  readonly jobs: Partial<Readonly<Record<JobState, number>>>;
  readonly oldestSubmittedMs: number | null;
  readonly rows: { readonly scored: number; readonly rejected: number; readonly filtered: number };
  readonly retries: number;
  readonly leases: number;
}

/** Figures for Prometheus. None is of one tenant, job or model: their number has no bound. */
export interface Metrics {
  /** How long an attempt at a shard held its lease, and how it ended. */
  leaseEnded(outcome: 'completed' | 'split' | 'released' | 'failed', ms: number): void;
  /** How long a result took from its audit to being visible. */
  published(ms: number): void;
  /** Text exposition, with the figures of this moment. */
  text(figures: Figures, nowMs: number): Promise<{ readonly type: string; readonly text: string }>;
}

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'batchwright_' });
  const jobs = new Gauge({
    name: 'batchwright_jobs',
    help: 'Jobs by state.',
    labelNames: ['state'],
    registers,
  });
  const queued = new Gauge({
    name: 'batchwright_queue_jobs',
    help: 'Jobs that wait for their turn.',
    registers,
  });
  const age = new Gauge({
    name: 'batchwright_queue_age_seconds',
    help: 'How long the oldest of them has been waiting.',
    registers,
  });
  const leases = new Gauge({ name: 'batchwright_leases', help: 'Shards that are being scored.', registers });
  const rows = new Gauge({
    name: 'batchwright_rows',
    help: 'Rows of accepted shards of all jobs on record.',
    labelNames: ['outcome'],
    registers,
  });
  const retries = new Gauge({
    name: 'batchwright_retries',
    help: 'Attempts that failed and were repeated, of all jobs on record.',
    registers,
  });
  const lease = new Histogram({
    name: 'batchwright_lease_seconds',
    help: 'How long attempts held their lease.',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers,
  });
  const publish = new Histogram({
    name: 'batchwright_publish_seconds',
    help: 'From the last row scored to the result being visible.',
    buckets: SECONDS,
    registers,
  });

  return {
    leaseEnded: (outcome, ms) => lease.observe({ outcome }, ms / 1_000),
    published: (ms) => publish.observe(ms / 1_000),
    async text(figures, nowMs) {
      for (const state of JOB_STATES) jobs.set({ state }, figures.jobs[state] ?? 0);
      queued.set(figures.jobs.submitted ?? 0);
      age.set(
        figures.oldestSubmittedMs === null ? 0 : Math.max(0, nowMs - figures.oldestSubmittedMs) / 1_000,
      );
      leases.set(figures.leases);
      for (const outcome of ['scored', 'rejected', 'filtered'] as const)
        rows.set({ outcome }, figures.rows[outcome]);
      retries.set(figures.retries);
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}
