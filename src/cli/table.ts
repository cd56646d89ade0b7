import { paint, type Style } from './style.ts';
import { fitted, foldedAt, padEnd, padStart, textWidth } from './text-width.ts';
import { oneLine } from './visible-text.ts';

export interface TableColumn {
  readonly header: string;
  readonly align?: 'right';
  /** May be cut down to so many columns of the terminal where room is short. Absent: never. */
  readonly least?: number;
  /** Where room is short its cells are folded at spaces, over several lines, instead of cut. */
  readonly folds?: true;
  /** May be left out where room is short; the highest number first. Absent: never. */
  readonly leaveOut?: number;
}

export type Cell = string | { readonly text: string; readonly style: Style };

const GAP = 2;

/**
 * A table with a heading, at most `width` columns wide (null: as wide as it comes, for files and pipes). Where room is short
 * the widest cells are cut, marked with `…`, or folded, then columns are left out; if that does not do either, the last columns that
 * fit are followed by `+n` for those that do not. No line is ever wrapped by the terminal.
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly Cell[])[],
  width: number | null,
): string {
  const texts = rows.map((row) => columns.map((_, index) => oneLine(textOf(row[index] ?? ''))));
  const headers = columns.map(({ header }) => oneLine(header));
  const natural = columns.map((_, index) =>
    Math.max(
      textWidth(headers[index] ?? ''),
      ...texts.slice(0, MEASURED).map((row) => textWidth(row[index] ?? '')),
    ),
  );
  const { shown, hidden } = layOut(columns, natural, width);
  const line = (cells: readonly string[], styleOf: (index: number) => Style | undefined) =>
    shown
      .map(({ index, size }, at) => {
        const text = fitted(cells[index] ?? '', size);
        const last = at === shown.length - 1 && hidden === 0;
        const padded =
          columns[index]?.align === 'right' ? padStart(text, size) : last ? text : padEnd(text, size);
        const style = styleOf(index);
        return style === undefined ? padded : paint(style, padded);
      })
      .join(' '.repeat(GAP));
  const more = hidden === 0 ? '' : `${' '.repeat(GAP)}+${hidden}`;
  return [
    line(headers, () => 'strong') + more,
    ...texts.flatMap((cells, row) =>
      linesOf(cells, columns, shown).map((each) => line(each, (index) => styleIn(rows[row]?.[index]))),
    ),
  ]
    .map((each) => each.trimEnd())
    .join('\n');
}

/** The lines of the terminal that a row takes: one, unless a cell is folded. */
function linesOf(
  cells: readonly string[],
  columns: readonly TableColumn[],
  shown: Layout['shown'],
): string[][] {
  const lines: string[][] = [[...cells]];
  for (const { index, size } of shown) {
    if (columns[index]?.folds !== true) continue;
    for (const [at, text] of foldedAt(cells[index] ?? '', size).entries()) {
      lines[at] ??= cells.map(() => '');
      (lines[at] as string[])[index] = text;
    }
  }
  return lines;
}

/** Rows that decide the widths; later ones are cut to them. Keeps a listing of a million rows quick. */
const MEASURED = 10_000;

interface Layout {
  readonly shown: readonly { readonly index: number; readonly size: number }[];
  /** Columns for which there is no room and that may not be left out without a word. */
  readonly hidden: number;
}

function layOut(columns: readonly TableColumn[], natural: readonly number[], width: number | null): Layout {
  let shown = columns.map((column, index) => ({ column, index, size: natural[index] ?? 0 }));
  if (width === null) return { shown, hidden: 0 };
  const excess = (reserved: number) =>
    shown.reduce((sum, { size }) => sum + size + GAP, -GAP) + reserved - width;
  const shrink = (reserved: number) => {
    for (let over = excess(reserved); over > 0; over = excess(reserved)) {
      const widest = shown
        .filter(({ column, size }) => column.least !== undefined && size > column.least)
        .reduce<(typeof shown)[number] | null>((a, b) => (a === null || b.size > a.size ? b : a), null);
      if (widest === null) return;
      widest.size -= 1;
    }
  };
  shrink(0);
  while (excess(0) > 0) {
    const out = shown
      .filter(({ column }) => column.leaveOut !== undefined)
      .reduce<(typeof shown)[number] | null>(
        (a, b) => (a === null || (b.column.leaveOut ?? 0) > (a.column.leaveOut ?? 0) ? b : a),
        null,
      );
    if (out === null) break;
    shown = shown.filter((each) => each !== out);
  }
  let hidden = 0;
  while (excess(hidden === 0 ? 0 : HINT) > 0 && shown.length > 1) {
    shown = shown.slice(0, -1);
    hidden += 1;
  }
  for (const each of shown) each.size = natural[each.index] ?? 0;
  shrink(hidden === 0 ? 0 : HINT);
  return { shown, hidden };
}

/** Room for `+123` and its gap. */
const HINT = 6;

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function styleIn(cell: Cell | undefined): Style | undefined {
  return cell === undefined || typeof cell === 'string' ? undefined : cell.style;
}
