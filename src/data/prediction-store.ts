import type { Column, ElementType, Values } from '../core/columns.ts';
import { elementBytes, viewOf } from './batch-queue.ts';
import type { FeedColumn } from './native-bridge.ts';

/** Elements of a page: predictions are kept in pages, so that growing copies nothing. */
const PAGE = 61_440;

/** Predictions of scored rows in the order of rows, column by column. What is appended is copied. */
export class PredictionStore {
  #columns: StoredColumn[] | null = null;
  rows = 0;

  get columns(): readonly FeedColumn[] {
    return (this.#columns ?? []).map(({ name, type, offsets }) => ({
      name,
      type,
      shape: offsets === null ? 'scalar' : 'list',
    }));
  }

  append(rows: number, columns: readonly Column[]): void {
    this.#columns ??= columns.map(({ name, type, offsets }) => ({
      name,
      type,
      elements: new Pages(type),
      offsets: offsets === undefined ? null : new Pages('float64'),
    }));
    if (columns.length !== this.#columns.length) throw new Error('predictions changed their columns');
    for (const [index, stored] of this.#columns.entries()) {
      const column = columns[index] as Column;
      const { name, type, values, offsets } = column;
      if (
        name !== stored.name ||
        type !== stored.type ||
        (offsets === undefined) !== (stored.offsets === null)
      ) {
        throw new Error(`prediction column ${name} changed its name or type`);
      }
      if (column.validity?.includes(0)) throw new Error(`prediction column ${name} has nulls`);
      if (offsets === undefined || stored.offsets === null) {
        if (values.length !== rows)
          throw new Error(`prediction column ${name} has ${values.length} values for ${rows} rows`);
        stored.elements.append(values, 0, rows);
        continue;
      }
      if (offsets.length !== rows + 1)
        throw new Error(`prediction column ${name} has ${offsets.length - 1} lists for ${rows} rows`);
      // Starts of lists in the store's own count of elements.
      const first = offsets[0] as number;
      const shift = stored.elements.length - first;
      const starts = Float64Array.from(offsets.subarray(0, rows), (offset) => offset + shift);
      stored.offsets.append(starts, 0, rows);
      stored.elements.append(values, first, offsets[rows] as number);
    }
    this.rows += rows;
  }

  /** Hands out elements [from, to) of a column (rows, or for lists their elements) in as few pieces as they are stored in. */
  slices(column: number, from: number, to: number, take: (at: number, values: Values) => void): void {
    this.#column(column).elements.slices(from, to, take);
  }

  /** First element of row `row` of a list column; with `row` = `rows`, the number of elements. */
  listStart(column: number, row: number): number {
    const { offsets, elements } = this.#column(column);
    if (offsets === null) throw new Error('not a list column');
    return row === this.rows ? elements.length : offsets.numberAt(row);
  }

  #column(index: number): StoredColumn {
    const column = this.#columns?.[index];
    if (column === undefined) throw new Error(`there is no prediction column ${index}`);
    return column;
  }
}

interface StoredColumn {
  readonly name: string;
  readonly type: ElementType;
  readonly elements: Pages;
  /** Start of each row's list, for list columns. */
  readonly offsets: Pages | null;
}

class Pages {
  readonly #type: ElementType;
  readonly #pages: Values[] = [];
  length = 0;

  constructor(type: ElementType) {
    this.#type = type;
  }

  append(values: Values, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const start = this.length % PAGE;
      if (start === 0) this.#pages.push(this.#newPage());
      const end = Math.min(to, at + PAGE - start);
      const page = this.#pages.at(-1) as Values;
      if (Array.isArray(page))
        for (let index = at; index < end; index += 1) page.push(values[index] as string);
      // Both are of the column's type.
      else page.set((values as Float64Array).subarray(at, end) as never, start);
      this.length += end - at;
      at = end;
    }
  }

  slices(from: number, to: number, take: (at: number, values: Values) => void): void {
    for (let at = from; at < to; ) {
      const start = at % PAGE;
      const end = Math.min(PAGE, start + to - at);
      const page = this.#pages[(at - start) / PAGE] as Values;
      take(at - from, Array.isArray(page) ? page.slice(start, end) : page.subarray(start, end));
      at += end - start;
    }
  }

  numberAt(index: number): number {
    return (this.#pages[Math.floor(index / PAGE)] as Float64Array)[index % PAGE] as number;
  }

  #newPage(): Values {
    if (this.#type === 'string') return [];
    return viewOf(this.#type, new ArrayBuffer(PAGE * elementBytes(this.#type)), 0, PAGE);
  }
}
