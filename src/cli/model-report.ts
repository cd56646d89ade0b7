import type { ModelDetail, ModelVersionView } from '../core/model-wire.ts';
import { type OutputSpec, shapeText, type TensorSpec } from '../core/signature.ts';
import { counted, formatBytes, formatTime } from './format.ts';
import { formatTable, type TableColumn } from './table.ts';

/** A model in full: the version that is meant, how it is used, all versions, and where its aliases stood. */
export function modelReport(
  detail: ModelDetail,
  { checked, width }: { readonly checked: boolean; readonly width: number | null },
): string {
  const { name, selected } = detail;
  const table: Table = (columns, rows) => formatTable(columns, rows, width === null ? null : width - 2);
  const sections = [
    selected === null ? unselected(detail) : selectedVersion(selected, detail, checked),
    ...(selected === null ? [] : [signature(selected, table), ...features(selected, width)]),
    section('Versions', versions(detail, table)),
    ...(detail.alias_moves.length === 0 ? [] : [section('Aliases, last moves first', moves(detail, table))]),
    ...(detail.jobs.length === 0
      ? []
      : [section(`Jobs that used ${name}@${selected?.version}`, jobs(detail, table))]),
  ];
  return sections.join('\n\n');
}

function unselected({ name, aliases }: ModelDetail): string {
  const others = aliases.length === 0 ? 'no aliases' : 'no alias `default`';
  return `${name}: several versions, or none, and ${others}: the name alone means none of them.`;
}

function selectedVersion(model: ModelVersionView, { aliases }: ModelDetail, checked: boolean): string {
  const own = aliases.filter(({ version }) => version === model.version).map(({ alias }) => alias);
  const tags = Object.entries(model.tags).map(([key, value]) => `${key}=${value}`);
  const lines = [
    `${model.reference}${own.length === 0 ? '' : ` = ${own.map((alias) => `${model.name}@${alias}`).join(', ')}`}`,
  ];
  const row = (label: string, value: string) => lines.push(`  ${label.padEnd(12)} ${value}`);
  if (model.description !== null)
    row('description', model.description.replaceAll('\n', `\n${' '.repeat(15)}`));
  if (model.removed_at !== null)
    row('removed', `${formatTime(model.removed_at)} UTC${byWhom(model.removed_by)}; no job can use it`);
  row('added', `${formatTime(model.created_at)} UTC${byWhom(model.created_by)}`);
  row('size', sizeText(model));
  row('sha256', `${model.sha256}${checked ? ' (every byte checked)' : ''}`);
  if (tags.length > 0) row('tags', tags.join(', '));
  if (model.key !== null) row('key', `${model.key}, where the job names none`);
  return lines.join('\n');
}

function sizeText({ size_bytes, files }: ModelVersionView): string {
  return files.length === 1
    ? formatBytes(size_bytes)
    : `${formatBytes(size_bytes)} in ${counted(files.length, 'file')}`;
}

type Table = (columns: readonly TableColumn[], rows: readonly (readonly string[])[]) => string;

function signature(model: ModelVersionView, table: Table): string {
  const { inputs, outputs, unusable = [] } = model.signature;
  const inputTable = table(
    [{ header: 'INPUT', least: 10 }, { header: 'TYPE' }, { header: 'SHAPE', least: 8 }],
    inputs.map(({ name, type, shape }: TensorSpec) => [name, type, shapeText(shape)]),
  );
  const published = model.outputs;
  const outputRows = [
    ...outputs.map((output) => [
      output.name,
      output.type,
      shapeText(output.shape),
      labelText(output),
      ...(published === null ? [] : [publishedAs(output.name, published)]),
    ]),
    ...unusable.map(({ name, type }) => [name, type, '', 'cannot be published']),
  ];
  const outputTable = table(
    [
      { header: 'OUTPUT', least: 10 },
      { header: 'TYPE' },
      { header: 'SHAPE', least: 8 },
      { header: 'LABELS', least: 8 },
      ...(published === null ? [] : [{ header: 'PUBLISHED AS', least: 10 }]),
    ],
    outputRows,
  );
  return `${indented(inputTable)}\n\n${indented(outputTable)}`;
}

function labelText({ labels }: OutputSpec): string {
  if (labels === undefined) return '-';
  const shown = labels.slice(0, 8).map(String).join(', ');
  return labels.length > 8 ? `${shown}, ... (${labels.length})` : shown;
}

function publishedAs(output: string, columns: Readonly<Record<string, string>>): string {
  const own = Object.entries(columns).filter(([key]) => key === output || key.startsWith(`${output}[`));
  return own.length === 0
    ? '-'
    : own
        .map(([key, column]) => (key === output ? column : `${key.slice(output.length)} ${column}`))
        .join(', ');
}

/** In the order of the model, several on a line. */
function features({ features: names }: ModelVersionView, width: number | null): string[] {
  if (names === null) return [];
  const lines: string[] = [];
  let line = '';
  for (const [at, name] of names.entries()) {
    const item = at === names.length - 1 ? name : `${name}, `;
    if (line !== '' && line.length + item.length > Math.min(96, (width ?? 98) - 2)) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += item;
  }
  return [section(`Features, in this order (${names.length})`, [...lines, line].join('\n'))];
}

function versions({ name, versions: all, aliases, next_before }: ModelDetail, table: Table): string {
  const rows = all.map(({ version, created_at, created_by, size_bytes, sha256, removed_at }) => [
    String(version),
    aliases
      .filter((alias) => alias.version === version)
      .map(({ alias }) => alias)
      .join(', ') || '-',
    removed_at === null ? formatBytes(size_bytes) : 'removed',
    formatTime(created_at),
    created_by ?? '-',
    sha256.slice(0, 12),
  ]);
  const listed = table(
    [
      { header: 'VERSION', align: 'right' },
      { header: 'ALIASES', least: 8 },
      { header: 'SIZE', align: 'right', leaveOut: 2 },
      { header: 'ADDED (UTC)' },
      { header: 'BY', leaveOut: 1 },
      { header: 'SHA256', leaveOut: 3 },
    ],
    rows,
  );
  return next_before === null
    ? listed
    : `${listed}\n\nOlder ones: batchwright model show ${name} --before ${next_before}`;
}

function moves({ alias_moves }: ModelDetail, table: Table): string {
  return table(
    ['ALIAS', 'FROM', 'TO', 'WHEN (UTC)', 'BY'].map((header) => ({ header })),
    alias_moves.map(({ alias, from, to, at, by }) => [
      alias,
      from === null ? '-' : String(from),
      to === null ? 'taken away' : String(to),
      formatTime(at),
      by ?? '-',
    ]),
  );
}

function jobs({ jobs: all }: ModelDetail, table: Table): string {
  return table(
    [
      { header: 'JOB' },
      { header: 'STATE' },
      { header: 'BY ALIAS', leaveOut: 1 },
      { header: 'CREATED (UTC)', leaveOut: 2 },
      { header: 'NAME', least: 8 },
    ],
    all.map((job) => [job.job_id, job.status, job.alias ?? '-', formatTime(job.created_at), job.name]),
  );
}

function section(title: string, body: string): string {
  return `${title}\n${indented(body)}`;
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
}

function byWhom(by: string | null): string {
  return by === null ? '' : ` by ${by}`;
}
