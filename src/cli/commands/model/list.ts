import type { AliasView } from '../../../core/model-wire.ts';
import { formatBytes, formatTime } from '../../format.ts';
import type { Output } from '../../output.ts';
import { formatTable, type TableColumn } from '../../table.ts';
import { withModels } from './with-models.ts';

/** Lists models by name, with what each alias stands for. */
export async function modelListCommand(
  page: { readonly limit: number; readonly after: string | null },
  state: string,
  output: Output,
): Promise<number> {
  return withModels(state, async (models) => {
    const list = await models.list(page);
    const rows = list.models.map((model) => [
      model.name,
      String(model.latest),
      aliasText(model.aliases),
      String(model.versions),
      formatBytes(model.size_bytes),
      formatTime(model.created_at),
      (model.description ?? '').split('\n')[0] ?? '',
    ]);
    const table = formatTable(COLUMNS, rows, output.width);
    const more = list.next === null ? '' : `\n\nThere are more: batchwright model list --after ${list.next}`;
    output.result(
      rows.length === 0
        ? 'No models yet. Add one with: batchwright model add churn model.onnx'
        : table + more,
      list,
    );
    return 0;
  });
}

const COLUMNS: readonly TableColumn[] = [
  { header: 'NAME' },
  { header: 'LATEST', align: 'right' },
  { header: 'ALIASES', least: 12 },
  { header: 'VERSIONS', align: 'right', leaveOut: 2 },
  { header: 'SIZE', align: 'right', leaveOut: 1 },
  { header: 'CREATED (UTC)', leaveOut: 3 },
  { header: 'DESCRIPTION', least: 12, leaveOut: 4 },
];

/** `champion -> 3, default -> 2`; `-` for none. */
function aliasText(aliases: readonly AliasView[]): string {
  return aliases.length === 0
    ? '-'
    : aliases.map(({ alias, version }) => `${alias} -> ${version}`).join(', ');
}
