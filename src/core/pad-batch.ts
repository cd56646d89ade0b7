import type { Column, NumericValues, RecordBatch, Values } from './columns.ts';

/**
 * A batch of exactly `rows` records: the records given, and copies of the last one. Copies, not zeros: a model may fail
 * on a record that cannot be. Row numbers of the copies are those of the last record.
 */
export function padBatch(batch: RecordBatch, rows: number): RecordBatch {
  if (batch.rows === rows) return batch;
  if (batch.rows > rows || batch.rows === 0)
    throw new Error(`${batch.rows} records do not fit a batch of ${rows}`);
  const rowNumbers = new Float64Array(rows).fill(batch.rowNumbers[batch.rows - 1] as number);
  rowNumbers.set(batch.rowNumbers);
  return { rows, rowNumbers, columns: batch.columns.map((column) => padColumn(column, batch.rows, rows)) };
}

function padColumn({ name, type, values, offsets }: Column, from: number, rows: number): Column {
  if (offsets === undefined) return { name, type, values: repeatTail(values, 0, from, 1, rows - from) };
  const [begin, last, end] = [offsets[0], offsets[from - 1], offsets[from]] as [number, number, number];
  const padded = new Uint32Array(rows + 1);
  for (let row = 0; row <= rows; row += 1)
    padded[row] = row <= from ? (offsets[row] as number) - begin : end - begin + (row - from) * (end - last);
  return { name, type, values: repeatTail(values, begin, end, end - last, rows - from), offsets: padded };
}

/** Values [begin, end), and the last `length` of them so many times again. */
function repeatTail(values: Values, begin: number, end: number, length: number, times: number): Values {
  if (Array.isArray(values)) {
    const tail = values.slice(end - length, end);
    return [...values.slice(begin, end), ...Array.from({ length: times }, () => tail).flat()];
  }
  const kept = end - begin;
  const padded = new (values.constructor as new (length: number) => NumericValues)(kept + times * length);
  padded.set(values.subarray(begin, end) as never);
  const tail = values.subarray(end - length, end);
  for (let time = 0; time < times; time += 1) padded.set(tail as never, kept + time * length);
  return padded;
}
