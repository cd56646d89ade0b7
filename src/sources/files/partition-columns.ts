import { declaredType, fitsType } from '../../core/column-type.ts';
import { Failure } from '../../core/errors.ts';
import { inferredType, NULL } from '../../core/field-class.ts';
import { partitionOf } from '../../core/hive-partition.ts';
import { classifyText } from '../../data/text/classify-field.ts';

export interface PartitionColumns {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** By file, in order: the value of each column, as text. */
  readonly values: readonly Readonly<Record<string, string | null>>[];
}

/**
 * The columns that all files' folders give (`year=2025/`), with types as a CSV column of these values would have, or as
 * declared (by name in lower case). Those that the files have themselves (`taken`, in lower case) are left out.
 *
 * Fails with SCHEMA_MISMATCH if one file lies in other partition folders than the first, SPEC_INVALID if a value does not
 * fit its declared type.
 */
export function partitionColumns(
  paths: readonly string[],
  taken: ReadonlySet<string>,
  declared: ReadonlyMap<string, string> = new Map(),
): PartitionColumns {
  const partitions = paths.map(partitionOf);
  const [first] = partitions;
  if (first === undefined) return { columns: [], values: [] };
  const names = [...first.keys()].filter((name) => !taken.has(name.toLowerCase()));
  for (const [index, partition] of partitions.entries()) {
    const keys = [...partition.keys()].filter((name) => !taken.has(name.toLowerCase()));
    const other = keys.find((name) => !first.has(name)) ?? names.find((name) => !partition.has(name));
    if (other === undefined) continue;
    const file = paths[index] as string;
    throw new Failure(
      'SCHEMA_MISMATCH',
      `${file} lies in other partition folders than ${paths[0]}: only one of them has ${other}=.`,
      { place: { file, field: other } },
    );
  }
  const columns = names.map((name) => {
    const given = declared.get(name.toLowerCase());
    const type = declaredType(given ?? '') ?? inferredType(classesOf(name, partitions));
    for (const [index, partition] of partitions.entries()) {
      const value = partition.get(name) ?? null;
      if (value === null || given === undefined || fitsType(value, type, '.')) continue;
      throw new Failure('SPEC_INVALID', `${name}=${value}, a folder of ${paths[index]}, is no ${type}.`, {
        place: { field: 'input.types', file: paths[index] as string },
      });
    }
    return { name, type };
  });
  const values = partitions.map((partition) =>
    Object.fromEntries(names.map((name) => [name, partition.get(name) ?? null])),
  );
  return { columns, values };
}

function classesOf(name: string, partitions: readonly ReadonlyMap<string, string | null>[]): number {
  let classes = 0;
  for (const partition of partitions) {
    const value = partition.get(name) ?? null;
    classes |= value === null ? NULL : classifyText(value);
  }
  return classes;
}
