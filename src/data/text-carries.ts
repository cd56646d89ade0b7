import { nestedType } from './nested-type.ts';

export type TextKind = 'csv' | 'jsonl';

/**
 * Why a type's values cannot be written in a text format and read back exactly, as the end of a sentence about the
 * column; null: they can. For types that `exactness` lets through; tried with nasty values of each in write-text.test.ts.
 */
export function whyNotCarried(format: TextKind, type: string): string | null {
  const nested = nestedType(type);
  if (type === 'BLOB') return 'holds bytes, for which text has no form of its own';
  if (nested.kind === 'plain') return null;
  if (format === 'csv') return 'holds lists or structures, and a CSV field is one value';
  switch (nested.kind) {
    case 'list':
      return whyNotCarried(format, nested.of);
    case 'map':
      if (nested.key !== 'VARCHAR')
        return `holds maps with keys of ${nested.key}, and names in JSON are text`;
      return whyNotCarried(format, nested.value);
    case 'struct':
      return (
        nested.members.map(({ type: member }) => whyNotCarried(format, member)).find((why) => why !== null) ??
        null
      );
  }
}
