import { type ModelSignature, shapeText } from '../../core/signature.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { schemaFields } from '../../spec/schema-fields.ts';
import { foldedAt } from '../text-width.ts';
import { oneLine } from '../visible-text.ts';
import type { Proposal } from './propose-job.ts';

export interface JobFileRequest {
  readonly proposal: Proposal;
  readonly signature: ModelSignature;
  /** Of the input and output, as flags gave them, resolved. */
  readonly spec: JobSpec;
  /** As they are to stand in the file. */
  readonly model: string;
  readonly input: readonly string[];
  readonly output: string;
}

const WIDTH = 80;
/** A table can have thousands of columns. */
const MOST_OTHERS = 50;

/** The text of a job file, with comments that say why each line is there and what else could be. */
export function jobFileText({ proposal, signature, spec, model, input, output }: JobFileRequest): string {
  const { source, delimiter, quote, header, decimal } = spec.input;
  const dialect = Object.entries({ delimiter, quote, header, decimal }).filter(
    ([, given]) => given !== undefined,
  );
  const lines = [
    ...comment('Written by `batchwright init`. Paths are relative to this file.', 0),
    ...comment('Would it work? batchwright check. Start it: batchwright run.', 0),
    `model_id: ${scalar(model)}`,
    '',
    'input:',
    `  source: ${source}`,
    ...place(spec, input),
    ...dialect.map(([name, given]) => `  ${name}: ${value(given)}`),
    ...comment(proposal.keyReason, 2),
    proposal.key === null ? '  # key: ' : `  key: ${scalar(proposal.key)}`,
    ...features(proposal, signature),
    ...optional(['input'], ['where', 'limit', 'on_null', 'unique_key']),
    '',
    'output:',
    `  destination: ${spec.output.destination}`,
    `  path: ${scalar(output)}`,
    ...comment(sentence('output', 'mode'), 2),
    `  mode: ${spec.output.mode}`,
    ...others(proposal),
    ...outputs(signature),
    ...optional(['output'], ['allow_non_finite']),
    '',
    '# How the job is run: the defaults. Take the # away to change one.',
    '# config:',
    ...optional(['config'], null),
  ];
  return `${lines.join('\n')}\n`;
}

/** Where the rows lie. */
function place({ input: { connection, query, table } }: JobSpec, input: readonly string[]): string[] {
  if (connection === undefined)
    return [`  path: ${input.length === 1 ? scalar(input[0] ?? '') : list(input)}`];
  const rows = table === undefined ? `query: ${JSON.stringify(query)}` : `table: ${scalar(table)}`;
  return [`  connection: ${scalar(connection)}`, `  ${rows}`];
}

function features(
  { features: names, featuresReason, unbound }: Proposal,
  signature: ModelSignature,
): string[] {
  if (unbound !== null) {
    const todo = signature.inputs.map(({ name, type, shape }) => `${name} ${type} ${shapeText(shape)}`);
    return [
      ...comment(
        `TODO Name the columns that feed the model, in the order it was trained with. ${unbound.message} \`batchwright check\` shows inputs and columns side by side. The model takes: ${todo.join(', ')}.`,
        2,
      ),
      ...(signature.inputs.length === 1
        ? ['  # features: [column, column]']
        : [
            '  # features:',
            ...signature.inputs.map(({ name }) => `  #   ${scalar(name)}: [column, column]`),
          ]),
    ];
  }
  if (names === null) return comment(`Features: ${featuresReason}`, 2);
  return [...comment(featuresReason, 2), '  features:', ...names.map((name) => `    - ${scalar(name)}`)];
}

function others({ others: columns }: Proposal): string[] {
  if (columns.length === 0) return comment('Columns to pass through beside the key: include: [...]', 2);
  const shown = columns.slice(0, MOST_OTHERS);
  const more = columns.length - shown.length;
  return [
    ...comment(
      'Columns of the input that are neither key nor feature; take the # away to pass some through.',
      2,
    ),
    '  # include:',
    ...shown.map(({ name, type }) => `  #   - ${scalar(name)} # ${oneLine(type)}`),
    ...(more > 0 ? [`  #   and ${more} more`] : []),
  ];
}

/** What the model gives, and how to publish less of it, or under other names. */
function outputs({ outputs: all, unusable = [] }: ModelSignature): string[] {
  const lines = comment(
    'All outputs of the model are published under their own names, unless some are named:',
    2,
  );
  lines.push('  # columns:');
  for (const { name, type, shape, labels } of all) {
    lines.push(`  #   ${scalar(name)}: ${scalar(name)} # ${type} ${shapeText(shape)}`);
    for (const label of labels?.slice(0, 20) ?? []) {
      lines.push(`  #   ${JSON.stringify(`${name}[${label}]`)}: ${scalar(`${name}_${label}`)}`);
    }
  }
  for (const { name, type } of unusable) lines.push(...comment(`${name} (${type}) cannot be published.`, 2));
  return lines;
}

/** Keys that are not said, each with its sentence and its default, as comments. `names` null: all below. */
function optional(parent: readonly string[], names: readonly string[] | null): string[] {
  return schemaFields()
    .filter(
      ({ path }) =>
        path.length === parent.length + 1 &&
        parent.every((part, at) => path[at] === part) &&
        (names === null || names.includes(path.at(-1) ?? '')),
    )
    .flatMap(({ path, description, default: fallback }) => [
      ...comment(description, 2),
      `  # ${path.at(-1)}:${fallback === undefined ? '' : ` ${value(fallback)}`}`,
    ]);
}

function sentence(...path: readonly string[]): string {
  return schemaFields().find((field) => field.path.join('.') === path.join('.'))?.description ?? '';
}

function comment(text: string, indent: number): string[] {
  const start = `${' '.repeat(indent)}# `;
  return foldedAt(oneLine(text), WIDTH - start.length).map((line) => start + line);
}

function list(items: readonly string[]): string {
  return `[${items.map(scalar).join(', ')}]`;
}

/** A text: as it is where YAML takes it for one, else in quotes. */
function scalar(text: string): string {
  const plain =
    /^([A-Za-z_/]|\.{1,2}\/)[\w./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

/** A number, or true or false, as it is; else a text. */
function value(given: unknown): string {
  return typeof given === 'number' || typeof given === 'boolean' ? String(given) : scalar(String(given));
}
