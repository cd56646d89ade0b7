import { EMPTY, inferredType, NULL } from '../../core/field-class.ts';
import { grown } from './grown.ts';

/** Where a class of values was first seen in a column. */
export interface FirstSeen {
  readonly class: number;
  /** 1-based, in the file. */
  readonly line: number;
  /** The beginning of the value. */
  readonly text: string;
}

/** What one column of one file holds, over all of its well-formed records. */
export interface ColumnFacts {
  readonly name: string;
  /** Union of the classes of its values (core/field-class.ts). */
  readonly classes: number;
  readonly nulls: number;
  /** Fields without characters that are not null. */
  readonly empties: number;
  readonly firstSeen: readonly FirstSeen[];
}

/** Columns beyond this are a mistake of delimiter or of format: a specification names at most as many. */
export const MAX_COLUMNS = 20_000;
const SHOWN_CHARACTERS = 40;

/** Gathers the facts of all columns of a file, record by record. */
export class ColumnTally {
  readonly names: string[] = [];
  classes = new Int32Array(64);
  nulls = new Float64Array(64);
  empties = new Float64Array(64);
  readonly #firstSeen: FirstSeen[][] = [];

  /** Returns the column's index. */
  add(name: string): number {
    const index = this.names.push(name) - 1;
    this.#firstSeen.push([]);
    if (index < this.classes.length) return index;
    this.classes = grown(this.classes, index * 2);
    this.nulls = grown(this.nulls, index * 2);
    this.empties = grown(this.empties, index * 2);
    return index;
  }

  /** A class that the column did not have before. `value` gives the text, if anybody asks. */
  seen(column: number, found: number, line: number, value: () => string): void {
    this.classes[column] = (this.classes[column] as number) | found;
    if ((found & (NULL | EMPTY)) !== 0) return;
    this.#firstSeen[column]?.push({ class: found, line, text: value().slice(0, SHOWN_CHARACTERS) });
  }

  facts(): ColumnFacts[] {
    return this.names.map((name, index) => ({
      name,
      classes: this.classes[index] as number,
      nulls: this.nulls[index] as number,
      empties: this.empties[index] as number,
      firstSeen: this.#firstSeen[index] ?? [],
    }));
  }
}

/** Nulls that a column of this type must have in Parquet: an empty field is null in all but text columns. */
export function nullsAs({ nulls, empties }: ColumnFacts, type: string): number {
  return type === 'VARCHAR' ? nulls : nulls + empties;
}

/** The type of a column that is not declared, from its facts in all files. */
export function commonType(columns: readonly ColumnFacts[]): string {
  return inferredType(columns.reduce((classes, column) => classes | column.classes, 0));
}
