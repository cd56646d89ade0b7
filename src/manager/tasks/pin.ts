import { bindConstants } from '../../core/bind-constants.ts';
import { bind } from '../../core/binding.ts';
import type { BoundJob } from '../../core/bound.ts';
import { Failure } from '../../core/errors.ts';
import { findColumn } from '../../core/find-column.ts';
import type { ModelContract } from '../../core/model-version.ts';
import type { Snapshot, SourceColumn } from '../../core/snapshot.ts';
import type { TaskJob, TaskWork } from '../../core/wire.ts';
import type { DataEngine, TableColumn } from '../../data/engine.ts';
import { exactness } from '../../data/exactness.ts';
import { parseWhere } from '../../data/parse-where.ts';
import { whyNotCarried } from '../../data/text-carries.ts';
import type { ModelFetcher } from '../../registry/registry.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { sources } from '../../sources/sources.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { outputSchema } from './output-schema.ts';

export interface PinDeps {
  readonly storage: Storage;
  readonly engine: DataEngine;
  readonly registry: ModelFetcher;
  readonly runtime: Runtime;
  /** Files that may be materialised at once. */
  readonly parallelFiles: number;
}

/**
 * Freezes what the job reads and what it scores with, and finds everything that cannot work before a row is scored:
 * files, columns, types, the condition, the model's inputs and outputs, names that clash.
 */
export async function pin(
  { job, lease: { fence } }: TaskWork,
  deps: PinDeps,
  signal: AbortSignal,
): Promise<{ snapshot: Snapshot; bound: BoundJob }> {
  const { registered } = job;
  const spec = withDefaults(job.spec as JobSpec, registered?.model.contract ?? {});
  const [snapshot, model] = await Promise.all([
    pinInput(job, fence, deps, signal),
    deps.registry.fetch(
      { reference: spec.model_id, sha256: job.modelSha256, registered },
      job.modelStore,
      deps.storage,
    ),
  ]);
  const columns = visibleColumns(spec, snapshot.columns);
  const signature = await deps.runtime.inspect({
    path: await deps.storage.localPath(model.key),
    sha256: model.sha256,
  });
  const bound = bind(signature, {
    columns,
    ...(spec.input.features === undefined ? {} : { features: spec.input.features }),
    ...(spec.input.key === undefined ? {} : { key: spec.input.key }),
    ...(spec.output.columns === undefined ? {} : { outputs: spec.output.columns }),
    transforms: spec.output,
    ...(registered?.model.contract.features === undefined
      ? {}
      : { stored: { features: registered.model.contract.features } }),
  });
  const constants = bindConstants(spec.output, job, model);
  const binding = { ...bound, ...(constants.length === 0 ? {} : { constants }) };
  const passed = passedThrough(spec, columns);
  refuseInexact(passed);
  refuseClashes(
    spec,
    passed,
    [...binding.outputs, ...constants].map(({ column }) => column),
  );
  const key = spec.input.key === undefined ? null : (passed[0]?.name ?? null);
  const include = passed.map(({ name }) => name).filter((name) => name !== key);
  refuseUncarried(spec, outputSchema(columns, { binding, key, include }));
  const where = spec.input.where === undefined ? null : (await parseWhere(spec.input.where, columns)).sql;
  return { snapshot: { ...snapshot, columns }, bound: { model, signature, binding, where, key, include } };
}

/** Key and names of outputs that the model's version stands in with, where the specification says nothing of them. */
function withDefaults(spec: JobSpec, { key, outputs }: ModelContract): JobSpec {
  const { columns, flatten, argmax, top_k, threshold } = spec.output;
  const silent = [columns, flatten, argmax, top_k, threshold].every((said) => said === undefined);
  return {
    ...spec,
    input: { ...(key === undefined ? {} : { key }), ...spec.input },
    output: { ...spec.output, ...(silent && outputs !== undefined ? { columns: outputs } : {}) },
  };
}

/** Each attempt materialises into a folder of its own; what earlier ones have left is removed. */
async function pinInput(
  job: TaskJob,
  fence: number,
  { storage, engine, parallelFiles }: PinDeps,
  signal: AbortSignal,
): Promise<Snapshot> {
  const folder = `${job.workspace}/input`;
  for (let earlier = 1; earlier < fence; earlier += 1) await storage.remove(`${folder}/${earlier}`);
  const { input } = job.spec as JobSpec;
  const context = { storage, engine, workspace: `${folder}/${fence}`, parallelFiles, signal };
  return await sources[input.source].pin(input, context);
}

/** Columns that the job may use: all, or those that `input.columns` names, in the input's order. */
function visibleColumns(spec: JobSpec, columns: readonly SourceColumn[]): readonly SourceColumn[] {
  if (spec.input.columns === undefined) return columns;
  const wanted = new Set(spec.input.columns.map((name) => findColumn(name, columns, 'input.columns').name));
  return columns.filter(({ name }) => wanted.has(name));
}

/** The key and the included columns, in the order of the output. */
function passedThrough(spec: JobSpec, columns: readonly SourceColumn[]): SourceColumn[] {
  const passed: SourceColumn[] = [];
  if (spec.input.key !== undefined) passed.push(findColumn(spec.input.key, columns, 'input.key'));
  for (const name of spec.output.include) {
    const column = findColumn(name, columns, 'output.include');
    if (!passed.includes(column)) passed.push(column);
  }
  return passed;
}

function refuseInexact(columns: readonly SourceColumn[]): void {
  for (const column of columns) {
    const reason = exactness(column);
    if (reason === 'exact') continue;
    throw new Failure(
      'COLUMN_TYPE',
      `Column "${column.name}" (${column.type}) cannot be passed through exactly: ${reason}.`,
      {
        place: { field: column.name },
      },
    );
  }
}

/** Text formats carry less than Parquet does. */
function refuseUncarried({ output }: JobSpec, columns: readonly TableColumn[]): void {
  if (output.destination === 'parquet') return;
  for (const { name, type } of columns) {
    const why = whyNotCarried(output.destination, type);
    if (why === null) continue;
    throw new Failure(
      'COLUMN_TYPE',
      `Column "${name}" (${type}) cannot be published as ${output.destination}: it ${why}.`,
      {
        place: { field: name },
        next: 'Leave the column out, or choose another output.destination; parquet carries all types.',
      },
    );
  }
}

function refuseClashes(spec: JobSpec, passed: readonly SourceColumn[], outputs: readonly string[]): void {
  const names = [
    ...(spec.input.key === undefined ? ['source_file', 'source_row'] : []),
    ...passed.map(({ name }) => name),
    ...outputs,
  ];
  const seen = new Set<string>();
  for (const name of names) {
    const folded = name.toLowerCase();
    if (seen.has(folded)) {
      throw new Failure('COLUMN_AMBIGUOUS', `"${name}" would stand twice in the output.`, {
        place: { field: 'output.columns' },
        next: 'Rename the prediction with output.columns, or leave the column out of output.include.',
      });
    }
    seen.add(folded);
  }
}
