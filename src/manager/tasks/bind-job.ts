import { bindConstants } from '../../core/bind-constants.ts';
import { bind } from '../../core/binding.ts';
import type { BoundJob, PinnedModel } from '../../core/bound.ts';
import { Failure } from '../../core/errors.ts';
import { findColumn } from '../../core/find-column.ts';
import type { ModelContract } from '../../core/model-version.ts';
import type { Binding, ModelSignature } from '../../core/signature.ts';
import type { SourceColumn } from '../../core/snapshot.ts';
import type { TaskJob } from '../../core/wire.ts';
import type { TableColumn } from '../../data/engine.ts';
import { exactness } from '../../data/exactness.ts';
import { parseWhere } from '../../data/parse-where.ts';
import { whyNotCarried } from '../../data/text-carries.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { outputSchema } from './output-schema.ts';

/** What a job reads, under the names that its specification uses, and what becomes of it. */
export interface SettledJob {
  readonly columns: readonly SourceColumn[];
  readonly bound: BoundJob;
}

export interface BindJobRequest {
  readonly job: Pick<TaskJob, 'jobId' | 'spec' | 'registered' | 'createdMs'>;
  /** All columns of the input. */
  readonly columns: readonly SourceColumn[];
  readonly model: PinnedModel;
  readonly signature: ModelSignature;
}

/**
 * Settles how columns and model go together: columns, types, the condition, the model's inputs and outputs, names that
 * clash. What does not fit is given to `refuse`, one failure after the other as far as each can be told; a `refuse` that
 * throws ends it at the first. Null: there was something that did not fit. `columns` are those that the job may use.
 */
export async function bindJob(
  { job, columns: all, model, signature }: BindJobRequest,
  refuse: (failure: Failure) => void,
): Promise<SettledJob | null> {
  let refused = false;
  /** Undefined: it failed. */
  const settle = async <Value>(work: () => Value | Promise<Value>): Promise<Value | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      refused = true;
      refuse(error);
      return undefined;
    }
  };
  const spec = specWithDefaults(job.spec as JobSpec, job.registered?.model.contract ?? {});
  const columns = await settle(() => visibleColumns(spec, all));
  if (columns === undefined) return null;
  const binding = await settle(() => {
    const bound = bindModel(spec, job, signature, columns);
    const constants = bindConstants(spec.output, job, model);
    return { ...bound, ...(constants.length === 0 ? {} : { constants }) };
  });
  const passed = await settle(() => passedThrough(spec, columns));
  if (passed !== undefined) await settle(() => refuseInexact(passed));
  const where = await settle(async () =>
    spec.input.where === undefined ? null : (await parseWhere(spec.input.where, columns)).sql,
  );
  if (binding === undefined || passed === undefined) return null;
  await settle(() => refuseClashes(spec, passed, publishedNames(binding)));
  const key = spec.input.key === undefined ? null : (passed[0]?.name ?? null);
  const include = passed.map(({ name }) => name).filter((name) => name !== key);
  await settle(() => refuseUncarried(spec, outputSchema(columns, { binding, key, include })));
  if (refused || where === undefined) return null;
  return { columns, bound: { model, signature, binding, where, key, include } };
}

function bindModel(
  spec: JobSpec,
  { registered }: BindJobRequest['job'],
  signature: ModelSignature,
  columns: readonly SourceColumn[],
): Binding {
  return bind(signature, {
    columns,
    ...(spec.input.features === undefined ? {} : { features: spec.input.features }),
    ...(spec.input.key === undefined ? {} : { key: spec.input.key }),
    ...(spec.output.columns === undefined ? {} : { outputs: spec.output.columns }),
    transforms: spec.output,
    ...(registered?.model.contract.features === undefined
      ? {}
      : { stored: { features: registered.model.contract.features } }),
  });
}

function publishedNames({ outputs, constants = [] }: Binding): string[] {
  return [...outputs, ...constants].map(({ column }) => column);
}

/** Key and names of outputs that the model's version stands in with, where the specification says nothing of them. */
function specWithDefaults(spec: JobSpec, { key, outputs }: ModelContract): JobSpec {
  const { columns, flatten, argmax, top_k, threshold } = spec.output;
  const silent = [columns, flatten, argmax, top_k, threshold].every((said) => said === undefined);
  return {
    ...spec,
    input: { ...(key === undefined ? {} : { key }), ...spec.input },
    output: { ...spec.output, ...(silent && outputs !== undefined ? { columns: outputs } : {}) },
  };
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
