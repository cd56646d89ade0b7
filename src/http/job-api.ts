import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../core/canonical-json.ts';
import { Failure } from '../core/errors.ts';
import { RETRY_MODES } from '../core/retry.ts';
import { isTerminal, JOB_STATES } from '../core/states.ts';
import type { JobStatus } from '../core/wire.ts';
import { type JobFiles, requireKept, TABLE_FORMATS } from '../manager/job-files.ts';
import type { Caller } from '../manager/keys.ts';
import type { Manager } from '../manager/manager.ts';
import { type JobSpec, parseJobSpec } from '../spec/job-spec.ts';
import { jobSpecSchema } from '../spec/job-spec-schema.ts';
import { event, jobDetail, jobList, jobStatus, shardList, submitAnswer } from './answers.ts';
import { parseCursor, writeCursor } from './cursor.ts';
import { sendEvents } from './job-events.ts';
import { bodyOf } from './parse-body.ts';
import { type Route, route } from './route.ts';
import { rangeHeader, sendFile } from './send-file.ts';

export interface JobApiDeps {
  readonly manager: Manager;
  readonly files: JobFiles;
  /** `config.parallelism` of jobs that do not say it. */
  readonly defaultParallelism: number;
  /** Where relative paths of a caller start; absolute. */
  readonly folderOf: (caller: Caller) => string;
  /** How long the files of a job that has ended are handed out. */
  readonly keepMs: number;
  readonly nowMs: () => number;
}

const BASE = '/api/v1/inference/batch';
const JOB = `${BASE}/{job_id}`;
const params = z.strictObject({ job_id: z.string().min(1).max(200).meta({ description: 'Id of the job.' }) });
const nothing = bodyOf(z.strictObject({}).optional());
const limit = (fallback: number) =>
  z.coerce.number().int().min(1).max(1_000).default(fallback).meta({ description: 'At most so many.' });
const flag = z.enum(['true', 'false']).default('false');

const submitQuery = z.strictObject({
  request_id: z
    .string()
    .min(8)
    .max(100)
    .optional()
    .meta({ description: 'As Idempotency-Key, for this run of the server only.' }),
  fresh: flag.meta({ description: 'Give up an unfinished job of the same kind and start over.' }),
  adopt: flag.meta({ description: 'Publish into a folder that Batchwright did not write.' }),
});
const submitHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/)
    .optional()
    .meta({
      description: 'The same request again gets the same answer, for a week; another body is refused.',
    }),
});
const listQuery = z.strictObject({
  limit: limit(50),
  cursor: z.string().max(400).optional().meta({ description: '`next_cursor` of the page before.' }),
  status: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(JOB_STATES)))
    .optional()
    .meta({ description: 'States, separated by commas.' }),
  name: z.string().max(200).optional().meta({ description: 'Part of the name.' }),
  since: z.iso.datetime({ offset: true }).optional().meta({ description: 'Submitted then or later.' }),
  id_prefix: z.string().max(200).optional().meta({ description: 'Beginning of the id.' }),
});
const waitQuery = z.strictObject({
  wait: z.coerce
    .number()
    .min(0)
    .max(60)
    .default(0)
    .meta({ description: 'Answer when the state changes or the job ends, or after so many seconds.' }),
});
const retryBody = z.strictObject({
  mode: z.enum(RETRY_MODES).exactOptional(),
  repaired: z
    .array(z.string().min(1).max(4_096).refine(isAbsolute, 'is no absolute path'))
    .max(100)
    .default([]),
  error_budget: z
    .json()
    .exactOptional()
    .meta({ description: 'As `config.error_budget` of a specification.' }),
});
const shardQuery = z.strictObject({
  limit: limit(200),
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});
const fileQuery = (fallback: (typeof TABLE_FORMATS)[number]) =>
  z.strictObject({ format: z.enum(TABLE_FORMATS).default(fallback) });
const eventHeaders = z.object({
  'last-event-id': z
    .string()
    .regex(/^\d{1,15}$/)
    .optional()
    .meta({ description: 'Go on after this event.' }),
});

const TABLE_TYPES = ['application/vnd.apache.parquet', 'text/csv', 'application/x-ndjson'];
const found = (schema: z.ZodType, description: string) => ({ 200: { description, schema } });
const file = (description: string, types: readonly string[]) => ({
  200: { description, types },
  204: { description: 'There is nothing (yet).' },
  206: { description: 'The part that was asked for.', types },
  304: { description: 'It is what If-None-Match names.' },
  416: { description: 'The file is shorter than the range.' },
});

/** Jobs, for people and their programs. */
export function jobRoutesOfApi(deps: JobApiDeps): Route[] {
  const { manager, files } = deps;
  const { jobs } = manager;
  const kept = async (caller: Caller, jobId: string) => {
    const detail = await jobs.detail(caller.tenant, jobId);
    requireKept(detail, { clock: deps, keepMs: deps.keepMs });
    return detail;
  };

  return [
    route({
      id: 'submitJob',
      method: 'POST',
      path: BASE,
      access: 'submitter',
      tag: 'jobs',
      summary: 'Submit a job',
      description:
        'Takes the job specification. An unfinished job with the same model, input and output goes on instead (`resumed`).',
      query: submitQuery,
      headers: submitHeaders,
      body: { schema: jobSpecSchema, parse: (body) => body },
      answers: {
        201: { description: 'The job is taken in, durably.', schema: submitAnswer },
        200: { description: 'An unfinished job goes on.', schema: submitAnswer },
      },
      async handle({ query, headers, body, caller, reply }) {
        const { request_id: requestId, fresh, adopt } = query;
        const key = headers['idempotency-key'];
        const answer = await manager.submit({
          tenant: caller.tenant,
          requestId: requestId ?? null,
          spec: specOf(body, caller, deps),
          fresh: fresh === 'true',
          adopt: adopt === 'true',
          fenced: caller.fenced,
          estimated: caller.fenced,
          idempotency: key === undefined ? null : { key, bodySha256: digestOf([body, fresh, adopt]) },
        });
        void reply.code(answer.resumed ? 200 : 201);
        return answer;
      },
    }),
    route({
      id: 'listJobs',
      method: 'GET',
      path: BASE,
      access: 'reader',
      tag: 'jobs',
      summary: 'List jobs, newest first',
      query: listQuery,
      answers: found(jobList, 'A page of jobs.'),
      async handle({ query, caller }) {
        const { limit: most, status, name, since, id_prefix: idPrefix, cursor } = query;
        const page = await jobs.list(caller.tenant, {
          limit: most + 1,
          ...(status === undefined ? {} : { states: status }),
          ...(name === undefined ? {} : { name }),
          ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
          ...(idPrefix === undefined ? {} : { idPrefix }),
          ...(cursor === undefined ? {} : { after: parseCursor(cursor) }),
        });
        const shown = page.slice(0, most);
        const last = page.length > most ? shown.at(-1) : undefined;
        return { jobs: shown, next_cursor: last === undefined ? null : writeCursor(last) };
      },
    }),
    route({
      id: 'getJob',
      method: 'GET',
      path: JOB,
      access: 'reader',
      tag: 'jobs',
      summary: 'How a job is doing',
      params,
      query: waitQuery,
      answers: found(jobStatus, 'The job.'),
      handle: ({ params: { job_id: jobId }, query, caller, gone }) =>
        changedStatus(caller.tenant, jobId, query.wait * 1_000, gone, deps),
    }),
    route({
      id: 'getJobDetail',
      method: 'GET',
      path: `${JOB}/detail`,
      access: 'reader',
      tag: 'jobs',
      summary: 'What a job was asked to do, and where its files lie',
      params,
      answers: found(jobDetail, 'The job with its specification.'),
      handle: ({ params: { job_id: jobId }, caller }) => jobs.detail(caller.tenant, jobId),
    }),
    route({
      id: 'resumeJob',
      method: 'POST',
      path: `${JOB}/resume`,
      access: 'submitter',
      tag: 'jobs',
      summary: 'Go on with an unfinished job, if its input and model are still what they were',
      params,
      body: nothing,
      answers: found(jobStatus, 'The job.'),
      handle: ({ params: { job_id: jobId }, caller }) => manager.resume(caller.tenant, jobId),
    }),
    route({
      id: 'retryJob',
      method: 'POST',
      path: `${JOB}/retry`,
      access: 'submitter',
      tag: 'jobs',
      summary: 'Try a job that has ended again, as a new job',
      description:
        '`complete`: everything again. `partial`: the rejected and missing records only; what was scored is taken over. Without a mode: `partial` where there is something to take over.',
      params,
      body: bodyOf(retryBody),
      answers: {
        201: { description: 'The new job.', schema: submitAnswer },
        200: { description: 'The retry that was there goes on.', schema: submitAnswer },
      },
      async handle({ params: { job_id: jobId }, body, caller, reply }) {
        const answer = await manager.retry({
          tenant: caller.tenant,
          jobId,
          mode: body.mode ?? null,
          repaired: body.repaired,
          ...(body.error_budget === undefined ? {} : { errorBudget: body.error_budget }),
          fenced: caller.fenced,
        });
        void reply.code(answer.resumed ? 200 : 201);
        return answer;
      },
    }),
    route({
      id: 'cancelJob',
      method: 'POST',
      path: `${JOB}/cancel`,
      access: 'submitter',
      tag: 'jobs',
      summary: 'End an unfinished job; nothing of it is published',
      params,
      body: nothing,
      answers: found(jobStatus, 'The job.'),
      handle: ({ params: { job_id: jobId }, caller }) => jobs.cancel(caller.tenant, jobId),
    }),
    route({
      id: 'listShards',
      method: 'GET',
      path: `${JOB}/shards`,
      access: 'reader',
      tag: 'jobs',
      summary: 'The shards of a job',
      params,
      query: shardQuery,
      answers: found(shardList, 'A page of shards, in the order in which they came to be.'),
      handle: ({ params: { job_id: jobId }, query, caller }) =>
        jobs.shards(caller.tenant, jobId, { after: query.after ?? null, limit: query.limit }),
    }),
    route({
      id: 'getResults',
      method: 'GET',
      path: `${JOB}/results`,
      access: 'reader',
      tag: 'jobs',
      summary: 'The published rows as one file',
      description: 'Takes `Range`. Until the time of the result is up; then 410.',
      params,
      query: fileQuery('parquet'),
      headers: rangeHeader,
      answers: file('The file.', TABLE_TYPES),
      async handle({ params: { job_id: jobId }, query: { format }, headers, caller, reply }) {
        const served = await files.results(await kept(caller, jobId), format);
        return sendFile(reply, served, { headers, name: `${jobId}.${format}`, type: typeOf(format) });
      },
    }),
    route({
      id: 'getRejects',
      method: 'GET',
      path: `${JOB}/rejects`,
      access: 'reader',
      tag: 'jobs',
      summary: 'The rejected records as one file, for repair',
      params,
      query: fileQuery('jsonl'),
      headers: rangeHeader,
      answers: file('The file.', TABLE_TYPES),
      async handle({ params: { job_id: jobId }, query: { format }, headers, caller, reply }) {
        const served = await files.rejects(await kept(caller, jobId), format);
        return sendFile(reply, served, { headers, name: `${jobId}-rejects.${format}`, type: typeOf(format) });
      },
    }),
    route({
      id: 'getManifest',
      method: 'GET',
      path: `${JOB}/manifest`,
      access: 'reader',
      tag: 'jobs',
      summary: 'The signed manifest of a completed job',
      params,
      headers: rangeHeader,
      answers: file('The signed statement (DSSE).', ['application/json']),
      async handle({ params: { job_id: jobId }, headers, caller, reply }) {
        const served = await files.manifest(await kept(caller, jobId));
        return sendFile(reply, served, { headers, name: '_manifest.json', type: 'application/json' });
      },
    }),
    route({
      id: 'getLog',
      method: 'GET',
      path: `${JOB}/logs`,
      access: 'reader',
      tag: 'jobs',
      summary: 'The log of the workers and tasks of a job',
      params,
      headers: rangeHeader,
      answers: file('One JSON object per line.', ['text/plain']),
      async handle({ params: { job_id: jobId }, headers, caller, reply }) {
        const served = await files.log(await jobs.detail(caller.tenant, jobId));
        return sendFile(reply, served, { headers, name: `${jobId}.log`, type: 'text/plain; charset=utf-8' });
      },
    }),
    route({
      id: 'followJob',
      method: 'GET',
      path: `${JOB}/events`,
      access: 'reader',
      tag: 'jobs',
      summary: 'What happens to a job, as server-sent events',
      description:
        'From the first event on, or after `Last-Event-ID`; ends with the job. Each event is kept: over a restart of the server none is missed and none comes twice.',
      params,
      headers: eventHeaders,
      answers: {
        200: {
          description: 'Events; `data` of each is an Event.',
          types: ['text/event-stream'],
          schema: event,
        },
        204: { description: 'The job has ended, and this was its last event.' },
      },
      handle: ({ params: { job_id: jobId }, headers, caller, reply, gone }) =>
        sendEvents(
          reply,
          { tenant: caller.tenant, jobId, after: Number(headers['last-event-id'] ?? 0) },
          gone,
          jobs,
        ),
    }),
  ];
}

function specOf(body: unknown, caller: Caller, { defaultParallelism, folderOf }: JobApiDeps): JobSpec {
  return parseJobSpec(withParallelism(body, defaultParallelism), { folder: folderOf(caller) });
}

function withParallelism(body: unknown, parallelism: number): unknown {
  if (!isMapping(body)) return body;
  const config = body.config ?? {};
  if (!isMapping(config) || 'parallelism' in config) return body;
  return { ...body, config: { ...config, parallelism } };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

function typeOf(format: (typeof TABLE_FORMATS)[number]): string {
  const type = TABLE_TYPES[TABLE_FORMATS.indexOf(format)];
  if (type === undefined) throw new Failure('REQUEST_INVALID', `There is no format ${format}.`);
  return format === 'parquet' ? type : `${type}; charset=utf-8`;
}

async function changedStatus(
  tenant: string,
  jobId: string,
  waitMs: number,
  gone: AbortSignal,
  { manager: { jobs }, nowMs }: JobApiDeps,
): Promise<JobStatus> {
  const deadline = nowMs() + waitMs;
  const first = await jobs.status(tenant, jobId);
  for (let status = first; ; ) {
    const left = deadline - nowMs();
    if (isTerminal(status.status) || status.status !== first.status || left <= 0 || gone.aborted)
      return status;
    const change = jobs.changed(jobId, Math.min(left, LOOK_EVERY_MS));
    status = await jobs.status(tenant, jobId);
    if (status.status === first.status) await change;
  }
}

/** The ledger is looked at so often, whether or not somebody said that something changed. */
const LOOK_EVERY_MS = 1_000;
