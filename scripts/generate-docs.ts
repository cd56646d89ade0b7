import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { program } from '../src/cli/command-line.ts';
import { COMMON } from '../src/cli/common-options.ts';
import { ENVIRONMENT_SECTION, type HelpSection, helpSectionsOf } from '../src/cli/help.ts';
import { ERROR_CODES } from '../src/core/error-codes.ts';
import { EXIT_CODES, exitCodeOf } from '../src/core/exit-codes.ts';
import { JOB_FLAGS } from '../src/spec/flags.ts';
import { LATER_KEYS, LATER_VALUES } from '../src/spec/later-keys.ts';
import { type SchemaField, schemaFields } from '../src/spec/schema-fields.ts';
import { SERVER_SETTINGS } from '../src/spec/server-settings.ts';
import { WHERE_FUNCTIONS } from '../src/spec/where-functions.ts';

/** Writes the documents that are made from the code. `generate-docs.test.ts` fails while one of them is stale. */
export const ROOT = join(import.meta.dirname, '..');

/** Path below the root, and content, of each generated document. */
export function generatedDocs(): Record<string, string> {
  return {
    'docs/job-specification.md': jobSpecification(),
    'docs/commands.md': commands(),
    'docs/errors.md': errors(),
    'docs/server-settings.md': serverSettings(),
  };
}

function jobSpecification(): string {
  const fields = schemaFields();
  const sections = fields.filter(
    (field) => field.path.length === 1 && fields.some((child) => isBelow(child, field)),
  );
  const top = fields.filter((field) => field.path.length === 1);
  return `${GENERATED}
# The job specification

A job file is YAML or JSON; the API takes the same object. A small one:

\`\`\`yaml
model_id: models/churn.onnx
input:
  source: parquet
  path: customers/*.parquet
  key: customer_id
  features: [tenure, monthly_charges]
output:
  destination: parquet
  path: scores/
\`\`\`

Relative paths start at the folder of the job file; those in command-line flags at the working folder. Names of columns
count exactly, and where none is exact, without regard to letter case. A key that does not exist is an error, as is a key that stands twice. YAML anchors, aliases, merge keys
and tags are refused. A specification has at most 1 MiB and 32 levels.

## Top level

${keyTable(top)}
${sections
  .map(
    (section) =>
      `\n## \`${name(section)}\`\n\n${section.description}\n\n${keyTable(fields.filter((field) => isBelow(field, section)))}\n`,
  )
  .join('')}
\`batch_size\` is an upper bound of one call; how many rows are read and written at once is another matter. \`error_budget: 0\`, the default,
means that the first rejected record fails the job; the old output then stays as it was.

## Columns

\`input.columns\` is a fence, not a projection: the key, the features, the included columns and those in \`where\` have to be among it, and
whatever else the files hold is neither read nor checked. Without it, any column may be used. Either way only the columns that are used are read.
The output has the key (or \`source_file\` and \`source_row\`), then \`output.include\` in its order, then the model's outputs and what is made of them
([outputs.md](outputs.md)).

## Conditions: \`input.where\`

An SQL condition over the columns of the input, in DuckDB's dialect; \`status = 'active' AND tenure >= 3\`. Comparisons, \`AND\`, \`OR\`, \`NOT\`,
\`IN (...)\`, \`BETWEEN\`, \`LIKE\`, \`ILIKE\`, \`GLOB\`, \`SIMILAR TO\`, \`IS NULL\`, \`IS DISTINCT FROM\`, \`CASE\`, \`COALESCE\`, arithmetic, intervals, casts
to plain types (\`CAST\`, \`TRY_CAST\`, \`::\`) and these functions:

${[...WHERE_FUNCTIONS]
  .filter((known) => /^[a-z]/.test(known) && !known.endsWith('_escape'))
  .map((known) => `\`${known}\``)
  .join(', ')}.

A field of a struct is written \`column['field']\`, the first element of a list \`column[1]\`. Times with a zone are reckoned in UTC.
Everything else (subqueries, other functions, several statements ...) is refused with its position, as WHERE_NOT_ALLOWED. A row for which the condition
is false or null is filtered: it is counted, and neither scored nor rejected. A condition that fails on a row (a cast of a text that is no number) fails the job; \`TRY_CAST\` gives null instead.

## What identifies a job

An unfinished job is found again, and goes on, when tenant, \`model_id\`, \`input\` and \`output\` are the same: resolved, so with absolute
paths and defaults filled in, whatever the order of the keys. \`config\` (with \`error_budget\`), \`name\`, \`tags\`, \`owner\` and \`provenance\` are not part of
a job's identity: a job may go on with other settings.

## Flags

\`batchwright run\` takes the same from flags, alone or over a job file. A flag replaces the whole field; \`--tag\` adds to the tags of the file.

| flag | field | |
|---|---|---|
${JOB_FLAGS.map(({ flag, value, field, help }) => row([`\`${value === undefined ? flag : `${flag} ${value}`}\``, `\`${field}\``, help])).join('\n')}

## Planned

Refused as SPEC_NOT_BUILT by this version.

| key | will be | |
|---|---|---|
${Object.entries(LATER_KEYS)
  .map(([key, { is, sentence }]) => row([`\`${key}\``, is, sentence]))
  .join('\n')}

Values: ${Object.entries(LATER_VALUES)
    .map(([key, values]) => `\`${key}\`: ${values.map((value) => `\`${value}\``).join(', ')}`)
    .join('; ')}. Also URLs as paths (\`s3://\` ...),
and \`\${{ ... }}\` parameters.
`;
}

function serverSettings(): string {
  return `${GENERATED}
# Settings of the server

\`batchwright serve\` takes each setting from a YAML file (\`--config server.yaml\`), the environment, or a flag; where several say it, the
last of these counts. \`batchwright serve --print-config\` shows what holds and where it comes from. A setting that is unknown or wrong
keeps the server from starting. Relative paths start at the folder of the file, else at the working folder.

| setting (YAML) | environment | flag | default | unit | |
|---|---|---|---|---|---|
${SERVER_SETTINGS.map(({ key, environment, flag, default: fallback, unit, is, sentence }) => row([`\`${key}\``, `\`${environment}\``, `\`${flag}\``, fallback === null ? '' : `\`${[fallback].flat().join(', ')}\``, unit, `${sentence} It is ${is}.`])).join('\n')}
`;
}

function errors(): string {
  const codes = Object.entries(ERROR_CODES) as [
    keyof typeof ERROR_CODES,
    (typeof ERROR_CODES)[keyof typeof ERROR_CODES],
  ][];
  return `${GENERATED}
# Errors

Every error has a code that does not change, a sentence that names the file, field, column or record, and a next step.

How far an error reaches decides what happens: **record**: the record is rejected with this code, the error budget decides about the job. **batch-memory**: the batch is
halved and tried again. **shard**: the attempt is repeated, at most \`config.retry_count\` times. **worker**: the worker ends, its work goes to another. **job**: the job, or the command, ends at once.

| code | scope | meaning | what to do | exit |
|---|---|---|---|---|
${codes.map(([code, { scope, meaning, next }]) => row([`\`${code}\``, scope, meaning, next, String(exitCodeOf(code))])).join('\n')}

## Exit codes

| exit | meaning |
|---|---|
${Object.entries(EXIT_CODES)
  .map(([code, meaning]) => row([code, meaning]))
  .join('\n')}
`;
}

function commands(): string {
  const shown = program.commands.filter((command) => command.name() !== 'help');
  const groups = [...new Set(shown.map((command) => command.helpGroup()))];
  return `${GENERATED}
# Commands

What each command of \`batchwright\` takes and does; \`batchwright COMMAND --help\` says the same in the terminal. [Exit codes](errors.md#exit-codes) are the
same for all commands.

| command | |
|---|---|
${groups
  .flatMap((group) => shown.filter((command) => command.helpGroup() === group))
  .map((command) => row([`[\`${command.name()}\`](#${anchor(command)})`, command.summary()]))
  .join('\n')}

## Options of every command

${optionTable(program.commands.find((command) => command.name() === 'run')?.options.filter(isCommon) ?? [])}
${groups
  .map((group) => {
    const members = shown.filter((command) => command.helpGroup() === group);
    return `\n## ${group.replace(/:$/, '')}\n${members
      .flatMap((each) => [each, ...each.commands])
      .map(commandEntry)
      .join('')}`;
  })
  .join('')}
## Environment variables

| variable | |
|---|---|
${ENVIRONMENT_SECTION.items.map(([term, meaning = '']) => row([`\`${term}\``, meaning])).join('\n')}
`;
}

function commandEntry(command: Command): string {
  const own = command.options.filter((option) => !isCommon(option));
  const parts = [
    `### \`${fullName(command)}\``,
    command.description(),
    code(`${fullName(command)} ${command.usage()}`),
  ];
  if (command.registeredArguments.length > 0) {
    const rows = command.registeredArguments.map((argument) =>
      row([
        `\`${argument.name()}\``,
        argument.description,
        argument.required
          ? 'required'
          : argument.defaultValue === undefined
            ? ''
            : `\`${argument.defaultValue}\``,
      ]),
    );
    parts.push(['| argument | | default |', '|---|---|---|', ...rows].join('\n'));
  }
  if (own.length > 0) parts.push(optionTable(own));
  for (const section of helpSectionsOf(command)) parts.push(sectionText(section));
  return `\n${parts.join('\n\n')}\n`;
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const choices =
      option.argChoices === undefined
        ? ''
        : ` One of ${option.argChoices.map((each) => `\`${each}\``).join(', ')}.`;
    const fallback =
      option.defaultValue === undefined || option.isBoolean() ? '' : `\`${option.defaultValue}\``;
    return row([`\`${option.flags}\``, `${option.description}${choices}`, fallback]);
  });
  return ['| option | | default |', '|---|---|---|', ...rows].join('\n');
}

/** Examples are code; pairs of a term and what it means, a table. */
function sectionText({ title, items }: HelpSection): string {
  if (items.every(([, meaning]) => meaning === undefined))
    return `${title}\n\n${code(items.map(([line]) => line).join('\n'))}`;
  const rows = items.map(([term, meaning = '']) => row([`\`${term.trim()}\``, meaning]));
  return [`| ${title.replace(/:$/, '').toLowerCase()} | |`, '|---|---|', ...rows].join('\n');
}

function code(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}

function isCommon(option: Option): boolean {
  return option.helpGroupHeading === COMMON;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function anchor(command: Command): string {
  return fullName(command).replaceAll(' ', '-');
}

const GENERATED = '<!-- Generated by scripts/generate-docs.ts. Do not edit. -->\n';

function keyTable(fields: readonly SchemaField[]): string {
  const rows = fields.map((field) =>
    row([`\`${field.path.at(-1)}\``, field.is, fallback(field), field.description]),
  );
  return ['| key | must be | default | |', '|---|---|---|---|', ...rows].join('\n');
}

function fallback(field: SchemaField): string {
  if (field.required) return 'required';
  return field.default === undefined
    ? ''
    : `\`${typeof field.default === 'string' ? field.default : JSON.stringify(field.default)}\``;
}

function isBelow(child: SchemaField, parent: SchemaField): boolean {
  return child.path.length === 2 && child.path[0] === parent.path[0];
}

function name(field: SchemaField): string {
  return field.path.join('.');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

if (import.meta.main) {
  for (const [path, content] of Object.entries(generatedDocs())) writeFileSync(join(ROOT, path), content);
}
