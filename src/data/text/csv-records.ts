import { isUtf8 } from 'node:buffer';
import { fitsType } from '../../core/column-type.ts';
import {
  BOOL,
  DATE,
  EMPTY,
  FRACTION,
  INSTANT,
  INT,
  NULL,
  TEXT,
  TIMESTAMP,
  WIDE_INT,
} from '../../core/field-class.ts';
import { ColumnTally, MAX_COLUMNS } from './column-facts.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { FieldArrays } from './field-arrays.ts';
import { DOUBLED_QUOTES, MAX_RECORD_BYTES, type RecordHandler, rawText, TOO_LONG } from './record-handler.ts';
import { corrupt, refuseNames } from './text-failures.ts';

/** What of a declared type needs no look at the text. */
const SURELY: Readonly<Record<string, number>> = {
  VARCHAR: -1,
  BIGINT: INT | WIDE_INT,
  DOUBLE: INT | WIDE_INT | FRACTION,
  FLOAT: INT | WIDE_INT,
  BOOLEAN: BOOL,
  DATE,
  TIMESTAMP: DATE | TIMESTAMP,
  'TIMESTAMP WITH TIME ZONE': INSTANT,
};

/**
 * The records of a CSV file, one after the other: the first gives the columns, all others are counted, found malformed, or
 * go into the facts of the columns and to the handler.
 */
export class CsvRecords {
  readonly #file: string;
  readonly #dialect: CsvDialect;
  readonly #declared: ReadonlyMap<string, string>;
  readonly #handler: RecordHandler | null;
  readonly #tally = new ColumnTally();
  #types: (string | null)[] = [];
  #hasDeclared = false;
  /** Of the record in hand. */
  readonly fields = new FieldArrays();
  /** Where it begins, from 1. */
  line = 1;
  /** Lines without any character. */
  blanks = 0;
  /** -1: not known yet. */
  columns = -1;
  records = 0;
  malformed = 0;
  longestBytes = 0;

  constructor(
    file: string,
    dialect: CsvDialect,
    declared: ReadonlyMap<string, string>,
    handler: RecordHandler | null,
  ) {
    this.#file = file;
    this.#dialect = dialect;
    this.#declared = declared;
    this.#handler = handler;
  }

  facts() {
    return this.#tally.facts();
  }

  /** It is text, whatever else is in it. */
  isText(column: number): boolean {
    return ((this.#tally.classes[column] ?? 0) & TEXT) !== 0 && (this.#types[column] ?? null) === null;
  }

  /**
   * Bytes [start, end) with so many fields in `fields`; `given` is what the scanner found wrong, `lines` how many line ends
   * lie inside. `clean`: all that was read with it is UTF-8 without NUL.
   */
  take(
    bytes: Buffer,
    start: number,
    end: number,
    count: number,
    given: string | null,
    lines: number,
    clean: boolean,
  ): void {
    let problem = given;
    if (problem === null && end - start > MAX_RECORD_BYTES) problem = TOO_LONG;
    if (problem === null && !clean) {
      const record = bytes.subarray(start, end);
      if (record.includes(0)) problem = 'has a NUL character';
      else if (!isUtf8(record)) problem = 'is not UTF-8';
    }
    if (this.columns < 0) {
      this.#begin(bytes, count, problem);
      if (this.#dialect.header) return;
    }
    if (problem === null && count !== this.columns) {
      problem = `has ${count} field${count === 1 ? '' : 's'} instead of ${this.columns}`;
    }
    if (problem !== null && lines > 0) {
      throw corrupt(
        this.#file,
        this.line,
        `${problem}, and extends over ${lines + 1} lines: it cannot be told how many records that is`,
        { next: 'Correct the quotes from this line on.' },
      );
    }
    if (problem === null && this.#hasDeclared) problem = this.#unfit(bytes);
    if (problem !== null) {
      this.refuse(this.line, problem, rawText(bytes.subarray(start, end)));
      return;
    }
    this.records += 1;
    this.#count(bytes, count);
    const { starts, ends, classes, forms } = this.fields;
    this.#handler?.record({ bytes, start, end, starts, ends, classes, forms, columns: count });
  }

  /** Counts a malformed record. */
  refuse(line: number, problem: string, text: string): void {
    this.records += 1;
    this.malformed += 1;
    this.#handler?.malformed({ line, problem, text });
  }

  #count(bytes: Buffer, count: number): void {
    const tally = this.#tally;
    const { starts, ends, classes } = this.fields;
    const known = tally.classes;
    for (let column = 0; column < count; column += 1) {
      const found = classes[column] as number;
      if (((known[column] as number) & found) === 0) {
        tally.seen(column, found, this.line, () => bytes.toString('utf8', starts[column], ends[column]));
      }
      if (found === NULL) tally.nulls[column] = (tally.nulls[column] as number) + 1;
      else if (found === EMPTY) tally.empties[column] = (tally.empties[column] as number) + 1;
    }
  }

  /** The first record: the names of the columns, or how many there are. */
  #begin(bytes: Buffer, count: number, problem: string | null): void {
    if (count > MAX_COLUMNS) {
      throw corrupt(this.#file, this.line, `has ${count} columns; there may be ${MAX_COLUMNS}`, {
        next: 'Check input.delimiter, or leave columns out of the file.',
      });
    }
    const { header } = this.#dialect;
    if (problem !== null && header) throw corrupt(this.#file, this.line, `${problem}; it names the columns`);
    if (!header && count === 1 && this.blanks > 0) {
      throw corrupt(
        this.#file,
        1,
        'is empty, and the file has one column: it cannot be told whether it is a record',
      );
    }
    this.columns = count;
    for (let column = 0; column < count; column += 1) {
      this.#tally.add(header ? this.#text(bytes, column) : `column${column}`);
    }
    const { names } = this.#tally;
    refuseNames(this.#file, this.line, names);
    this.#types = names.map((name) => this.#declared.get(name.toLowerCase()) ?? null);
    this.#hasDeclared = this.#types.some((type) => type !== null && type !== 'VARCHAR');
    this.fields.reserve(count);
  }

  #text(bytes: Buffer, column: number): string {
    const { starts, ends, forms } = this.fields;
    const text = bytes.toString('utf8', starts[column], ends[column]);
    const { quote } = this.#dialect;
    return forms[column] === DOUBLED_QUOTES ? text.replaceAll(quote + quote, quote) : text;
  }

  /** The first value that does not fit its declared type, as a problem. */
  #unfit(bytes: Buffer): string | null {
    for (let column = 0; column < this.columns; column += 1) {
      const type = this.#types[column];
      const found = this.fields.classes[column] as number;
      if (type === null || type === undefined || (found & (NULL | EMPTY | (SURELY[type] ?? 0))) !== 0)
        continue;
      const { starts, ends } = this.fields;
      if (type === 'FLOAT' && found === FRACTION && isSmall(bytes, starts[column] ?? 0, ends[column] ?? 0))
        continue;
      const text = this.#text(bytes, column);
      if (fitsType(text, type, this.#dialect.decimal)) continue;
      return `has ${JSON.stringify(text.slice(0, 40))} in column ${this.#tally.names[column]}, which is no ${type}`;
    }
    return null;
  }
}

const LETTERS = 65;
/** Fewer digits than the largest FLOAT has before its point. */
const FLOAT_DIGITS = 38;

/** Of a fraction: that it is within the range of FLOAT shows without reading it. 400,000 rows of 20 declared FLOATs: 3.4 s of CPU less. */
function isSmall(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > FLOAT_DIGITS) return false;
  for (let at = start; at < end; at += 1) if ((bytes[at] as number) >= LETTERS) return false;
  return true;
}
