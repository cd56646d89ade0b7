import type { BoundJob } from '../../core/bound.ts';
import type { SourceColumn } from '../../core/snapshot.ts';
import type { TableColumn } from '../../data/engine.ts';
import { DUCKDB_TYPES } from '../../data/feature-sql.ts';

/** Columns of the published dataset, in order: key (or file and row number), included columns, predictions, constants. */
export function outputSchema(
  columns: readonly SourceColumn[],
  bound: Pick<BoundJob, 'binding' | 'key' | 'include'>,
): TableColumn[] {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const passed = [...(bound.key === null ? [] : [bound.key]), ...bound.include];
  const keys = bound.key === null ? PLACE : [];
  return [
    ...keys,
    ...passed.map((name) => ({ name, type: types.get(name) ?? '' })),
    ...bound.binding.outputs.map(({ column, type, shape }) => ({
      name: column,
      type: shape === 'list' ? `${DUCKDB_TYPES[type]}[]` : DUCKDB_TYPES[type],
    })),
    ...(bound.binding.constants ?? []).map(({ column, type }) => ({ name: column, type })),
  ];
}

const PLACE: readonly TableColumn[] = [
  { name: 'source_file', type: 'VARCHAR' },
  { name: 'source_row', type: 'BIGINT' },
];
