import { Failure } from './errors.ts';
import { type ModelSignature, shapeText } from './signature.ts';
import type { SourceColumn } from './snapshot.ts';

/** MODEL_BINDING: what does not fit, as the beginning of a sentence, and the model's inputs and the columns side by side. */
export function unbindable(
  signature: ModelSignature,
  columns: readonly SourceColumn[],
  what: string,
  next?: string,
): Failure {
  return new Failure('MODEL_BINDING', `${what}.`, {
    place: { field: 'input.features' },
    details: sideBySide(signature, columns),
    ...(next === undefined ? {} : { next }),
  });
}

/** Rows of the table, at most: a table can have thousands of columns. */
const MOST = 30;

/** Lines of a table of what the model takes and what there is. */
function sideBySide({ inputs }: ModelSignature, columns: readonly SourceColumn[]): string[] {
  const left = block([
    ['inputs of the model', ''],
    ...inputs.map(({ name, type, shape }): [string, string] => [name, `${type} ${shapeText(shape)}`]),
  ]);
  const right = block([
    ['columns of the input', ''],
    ...columns.map(({ name, type }): [string, string] => [name, type]),
  ]);
  const width = Math.max(...left.map((line) => line.length));
  return Array.from({ length: Math.max(left.length, right.length) }, (_, at) =>
    `${(left[at] ?? '').padEnd(width)}   ${right[at] ?? ''}`.trimEnd(),
  );
}

/** A headed list of two columns; cut, with a last line that says by how much. */
function block(rows: readonly (readonly [string, string])[]): string[] {
  const [heading, ...items] = rows as [[string, string], ...[string, string][]];
  const shown = items.slice(0, MOST).map(([name, type]): [string, string] => [cut(name, 40), cut(type, 40)]);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return [
    heading[0],
    ...shown.map(([name, type]) => `${name.padEnd(width)}  ${type}`),
    ...(items.length === 0 ? ['none'] : []),
    ...(items.length > MOST ? [`and ${items.length - MOST} more`] : []),
  ];
}

function cut(text: string, longest: number): string {
  const plain = text.replaceAll(/\p{Cc}/gu, ' ');
  return plain.length <= longest ? plain : `${plain.slice(0, longest - 1)}…`;
}
