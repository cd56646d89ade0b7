import { shapeText } from '../../core/signature.ts';
import type { SourceColumn } from '../../core/snapshot.ts';
import type { SettledJob } from '../../manager/tasks/bind-job.ts';
import { outputSchema } from '../../manager/tasks/output-schema.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { CheckedBinding } from './check-result.ts';

/** Which columns feed the model, and how; and what each column of the result is made of. */
export function describeBinding(
  { bound, columns }: SettledJob,
  onNull: JobSpec['input']['on_null'],
): CheckedBinding {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const shapes = new Map(bound.signature.inputs.map(({ name, shape }) => [name, shapeText(shape)]));
  const from = new Map<string, string>();
  if (bound.key !== null) from.set(bound.key, 'the key');
  for (const name of bound.include) from.set(name, 'the input');
  for (const { output, column, element, labels, derived } of bound.binding.outputs) {
    const part = element === undefined ? '' : `[${labels?.[element] ?? element}]`;
    const made = derived === undefined ? '' : `, ${derived.softmax ? 'softmax, ' : ''}${derived.give.kind}`;
    from.set(column, `output ${output}${part}${made}`);
  }
  for (const { column } of bound.binding.constants ?? []) from.set(column, 'a constant');
  return {
    inputs: bound.binding.inputs.map(({ input, type, columns: names }) => ({
      input,
      type,
      shape: shapes.get(input) ?? '',
      columns: names.map((name) => {
        const column = byName.get(name);
        return {
          column: name,
          type: column?.type ?? '',
          note: column === undefined ? '' : noteOf(column, type, onNull),
        };
      }),
    })),
    outputs: outputSchema(columns, bound).map(({ name, type }) => ({
      column: name,
      type,
      from: from.get(name) ?? 'the place of the row',
    })),
  };
}

const EXACT_IN_FLOAT32 = /^(U?TINYINT|U?SMALLINT|BOOLEAN|FLOAT)$/;
const EXACT_IN_FLOAT64 = /^(U?TINYINT|U?SMALLINT|U?INTEGER|BOOLEAN|FLOAT|DOUBLE)$/;

/** What happens to values on their way into the model. */
function noteOf(
  { type, neverNull }: SourceColumn,
  wanted: string,
  onNull: JobSpec['input']['on_null'],
): string {
  const element = type.replace(/(\[\d*\])+$/, '');
  const nulls = neverNull ? '' : onNull === 'reject' ? 'a null is a reject' : `a null becomes ${onNull}`;
  let values = 'exact';
  if (wanted === 'float32' && !EXACT_IN_FLOAT32.test(element))
    values = /^(DOUBLE|DECIMAL)/.test(element) ? 'rounded to float32' : 'exact, or a reject';
  else if (wanted === 'float64' && !EXACT_IN_FLOAT64.test(element))
    values = element.startsWith('DECIMAL') ? 'rounded to float64' : 'exact, or a reject';
  else if (wanted === 'float16') values = 'rounded to float16';
  else if (/^u?int/.test(wanted)) values = 'exact, or a reject';
  return [values, nulls].filter((part) => part !== '').join('; ');
}
