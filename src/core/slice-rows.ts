import type { Column, RecordBatch, Values } from './columns.ts';

/** Rows `from` up to, not including, `to` of a batch, without copying fixed-width values. */
export function sliceBatch(batch: RecordBatch, from: number, to: number): RecordBatch {
  return {
    rows: to - from,
    rowNumbers: batch.rowNumbers.subarray(from, to),
    columns: batch.columns.map((column) => sliceColumn(column, from, to)),
  };
}

function sliceColumn(column: Column, from: number, to: number): Column {
  const validity = column.validity === undefined ? {} : { validity: column.validity.subarray(from, to) };
  if (column.offsets === undefined) {
    return { name: column.name, type: column.type, values: cut(column.values, from, to), ...validity };
  }
  const first = column.offsets[from] as number;
  const last = column.offsets[to] as number;
  const offsets = column.offsets.slice(from, to + 1).map((offset) => offset - first);
  return {
    name: column.name,
    type: column.type,
    values: cut(column.values, first, last),
    offsets,
    ...validity,
  };
}

function cut(values: Values, from: number, to: number): Values {
  return Array.isArray(values) ? values.slice(from, to) : values.subarray(from, to);
}

/** The runs of consecutive rows in [0, rows) that are not in `skip`; both ends as [from, to). */
export function runsWithout(rows: number, skip: ReadonlySet<number>): [number, number][] {
  const runs: [number, number][] = [];
  let from = 0;
  for (const row of [...skip].sort((a, b) => a - b)) {
    if (row > from) runs.push([from, row]);
    from = row + 1;
  }
  if (from < rows) runs.push([from, rows]);
  return runs;
}
