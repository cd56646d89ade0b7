import { fitsType } from '../../core/column-type.ts';
import {
  BOOL,
  FRACTION,
  INT,
  LIST_BOOL,
  LIST_EMPTY,
  LIST_FRACTION,
  LIST_INT,
  LIST_TEXT,
  LIST_WIDE_INT,
  NULL,
  WIDE_INT,
} from '../../core/field-class.ts';
import type { Member } from './json-object.ts';

/** Classes that need no look at the text. */
const SURELY: Readonly<Record<string, number>> = {
  VARCHAR: -1,
  BOOLEAN: BOOL,
  BIGINT: INT | WIDE_INT,
  DOUBLE: INT | WIDE_INT | FRACTION,
  'BOOLEAN[]': LIST_EMPTY | LIST_BOOL,
  'BIGINT[]': LIST_EMPTY | LIST_INT | LIST_WIDE_INT,
  'DOUBLE[]': LIST_EMPTY | LIST_INT | LIST_WIDE_INT | LIST_FRACTION,
  'VARCHAR[]': LIST_EMPTY | LIST_TEXT,
};

/** Whether the value is null or one of a declared type; in any case if none is declared. */
export function jsonFits(
  bytes: Buffer,
  { start, end, class: found, isEscaped }: Member,
  type: string | null,
): boolean {
  if (type === null || found === NULL || ((SURELY[type] ?? 0) & found) === found) return true;
  const raw = bytes.toString('utf8', start, end);
  if (!type.endsWith('[]')) {
    const text = isEscaped === null ? raw : (JSON.parse(raw) as string);
    return found < LIST_EMPTY && fitsType(text, type, '.');
  }
  const elements = found >= LIST_EMPTY ? listTexts(raw) : null;
  return elements?.every((text) => text === null || fitsType(text, type.slice(0, -2), '.')) === true;
}

/** Elements of a list of plain values: texts as they are, all else as written; null for what is nested. */
function listTexts(raw: string): (string | null)[] | null {
  const texts: (string | null)[] = [];
  const elements = raw.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|[^\s,"]+/g) ?? [];
  for (const element of elements) {
    if (element.startsWith('[') || element.startsWith('{')) return null;
    texts.push(
      element === 'null' ? null : element.startsWith('"') ? (JSON.parse(element) as string) : element,
    );
  }
  return texts;
}
