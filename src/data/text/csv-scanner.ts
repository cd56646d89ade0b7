import { isUtf8 } from 'node:buffer';
import { fitsType } from '../../core/column-type.ts';
import type { Failure } from '../../core/errors.ts';
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
import { classifyText, isShortFraction } from './classify-field.ts';
import { ColumnTally, MAX_COLUMNS } from './column-facts.ts';
import { isCleanText, PendingBytes } from './pending-bytes.ts';
import {
  DOUBLED_QUOTES,
  MAX_RECORD_BYTES,
  PLAIN_FIELD,
  type RecordHandler,
  rawText,
} from './record-handler.ts';
import { corrupt, refuseNames } from './text-failures.ts';
import type { ScannedText, TextScanner } from './text-scanner.ts';

/** How a CSV file is to be read. */
export interface CsvDialect {
  /** One ASCII character. */
  readonly delimiter: string;
  /** One ASCII character; '' for none. */
  readonly quote: string;
  readonly header: boolean;
  /** What stands for null, unless it is quoted. */
  readonly nulls: readonly string[];
  readonly decimal: '.' | ',';
}

const LF = 10;
const CR = 13;

const MINUS = 45;

// Kinds of bytes.
const OTHER = 0;
const DELIMITER = 1;
const LINE_END = 2;
const QUOTE = 3;

/** What of a declared type needs no look at the text. */
const SURELY: Readonly<Record<string, number>> = {
  VARCHAR: -1,
  BIGINT: INT | WIDE_INT,
  DOUBLE: INT | WIDE_INT | FRACTION,
  BOOLEAN: BOOL,
  DATE,
  TIMESTAMP: DATE | TIMESTAMP,
  'TIMESTAMP WITH TIME ZONE': INSTANT,
};

const NEWLINE_LF = 1;
const NEWLINE_CRLF = 2;
const NEWLINE_CR = 4;

/**
 * Reads CSV as RFC 4180 says, byte by byte and strictly: it finds the records, which of them are malformed, and what the
 * columns hold. Of DuckDB's parser it knows nothing: the two are compared.
 *
 * - A record ends with LF, CRLF or CR outside of quotes, or with the file. Every line end counts as a line.
 * - A line without any character is no record, unless the file has one column: there it is a record with an empty field.
 * - Malformed: another number of fields than the header, a quote inside an unquoted field, text after a closing quote, NUL,
 *   what is not UTF-8, more than 32 MiB, a value that does not fit a declared type.
 * - A quote that is never closed, or a malformed record of several lines, could hide rows: SOURCE_CORRUPT with the line.
 *
 * 1 M rows of 20 numbers (180 MB): see bench/csv.ts.
 */
export class CsvScanner implements TextScanner {
  readonly #file: string;
  readonly #dialect: CsvDialect;
  readonly #declared: ReadonlyMap<string, string>;
  readonly #handler: RecordHandler | null;
  readonly #kinds = new Uint8Array(256);
  readonly #quote: number;
  readonly #delimiter: number;
  readonly #point: number;
  readonly #nulls: readonly Buffer[];
  /** By length: may a field be null? */
  readonly #nullLengths = new Uint8Array(256);
  readonly #emptyIsNull: boolean;
  readonly #pending = new PendingBytes();
  readonly #tally = new ColumnTally();
  #types: (string | null)[] = [];
  #columns = -1;
  #hasDeclared = false;
  #line = 1;
  #records = 0;
  #malformed = 0;
  #longest = 0;
  #lineEnds = 0;
  #blanks = 0;
  #hasLineEndsInFields = false;
  #starting = true;
  #skipping: { readonly line: number; readonly text: string } | null = null;
  #starts = new Int32Array(256);
  #ends = new Int32Array(256);
  #classes = new Int32Array(256);
  #forms = new Uint8Array(256);

  /** `declared`: types by column name in lower case. `file` is for messages. */
  constructor(
    file: string,
    dialect: CsvDialect,
    declared: ReadonlyMap<string, string>,
    handler: RecordHandler | null = null,
  ) {
    this.#file = file;
    this.#dialect = dialect;
    this.#declared = declared;
    this.#handler = handler;
    this.#delimiter = dialect.delimiter.charCodeAt(0);
    this.#quote = dialect.quote === '' ? -1 : dialect.quote.charCodeAt(0);
    this.#point = dialect.decimal.charCodeAt(0);
    this.#kinds[LF] = LINE_END;
    this.#kinds[CR] = LINE_END;
    this.#kinds[this.#delimiter] = DELIMITER;
    if (this.#quote >= 0) this.#kinds[this.#quote] = QUOTE;
    this.#nulls = dialect.nulls.map((text) => Buffer.from(text));
    this.#emptyIsNull = dialect.nulls.includes('');
    for (const { length } of this.#nulls) if (length > 0) this.#nullLengths[Math.min(255, length)] = 1;
  }

  push(chunk: Buffer, final: boolean): void {
    let bytes = this.#pending.add(chunk, final);
    if (bytes === null) return;
    if (this.#starting) {
      if (bytes.length < 3 && !final) {
        this.#pending.keep(bytes);
        return;
      }
      this.#starting = false;
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    }
    let from = 0;
    if (this.#skipping !== null) {
      from = this.#skipLine(bytes, final);
      if (this.#skipping !== null) return;
    }
    const consumed = this.#scan(from === 0 ? bytes : bytes.subarray(from), final) + from;
    this.#pending.keep(bytes.subarray(consumed));
    if (final && this.#columns === -1 && this.#dialect.header) {
      throw corrupt(this.#file, undefined, 'is empty: it has no line with the names of the columns', {
        next: 'Write the header, take the file out of the input, or set input.header: false.',
      });
    }
  }

  scanned(): ScannedText {
    const ends = this.#lineEnds;
    return {
      records: this.#records,
      malformed: this.#malformed,
      columns: this.#tally.facts(),
      longestRecordBytes: this.#longest,
      isRegular: (ends === NEWLINE_LF || ends === NEWLINE_CRLF || ends === 0) && this.#blanks === 0,
      lineEnd: ends === NEWLINE_CRLF ? '\r\n' : '\n',
      hasLineEndsInFields: this.#hasLineEndsInFields,
    };
  }

  /** Scans whole records; returns where the first that is not whole begins. */
  #scan(bytes: Buffer, final: boolean): number {
    const clean = isCleanText(bytes, final);
    const kinds = this.#kinds;
    const quote = this.#quote;
    const delimiter = this.#delimiter;
    const nullLengths = this.#nullLengths;
    const point = this.#point;
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      let starts = this.#starts;
      let ends = this.#ends;
      let classes = this.#classes;
      let forms = this.#forms;
      let count = 0;
      let lines = 0;
      let problem: string | null = null;
      let i = at;
      let recordEnd = 0;
      let next = end;
      for (;;) {
        let start = i;
        let stop: number;
        let found: number;
        let form = PLAIN_FIELD;
        if (i < end && bytes[i] === quote) {
          start = i + 1;
          const close = closingQuote(bytes, start, quote);
          if (close < 0 || (close + 1 === end && !final)) {
            if (final) throw this.#unterminated(lines, bytes.subarray(at));
            return this.#incomplete(bytes, at, true, lines);
          }
          stop = close;
          i = close + 1;
          const extra = lineEnds(bytes, start, stop);
          lines += extra;
          if (
            i < end &&
            (kinds[bytes[i] as number] as number) !== DELIMITER &&
            kinds[bytes[i] as number] !== LINE_END
          ) {
            problem ??= 'has text after a closing quote';
            while (
              i < end &&
              kinds[bytes[i] as number] !== DELIMITER &&
              kinds[bytes[i] as number] !== LINE_END
            )
              i += 1;
          }
          if (hasQuote(bytes, start, stop, quote)) form = DOUBLED_QUOTES;
          found =
            start === stop
              ? EMPTY
              : form === DOUBLED_QUOTES
                ? TEXT
                : this.#classOfRange(bytes, start, stop, count);
        } else {
          // Digits, perhaps behind a minus, perhaps with a point among them: nearly all numbers.
          if (bytes[i] === MINUS) i += 1;
          const first = i;
          let pointAt = -1;
          for (; i < end; i += 1) {
            const byte = bytes[i] as number;
            if ((byte - 48) >>> 0 <= 9) continue;
            if (byte !== point || pointAt !== -1) break;
            pointAt = i;
          }
          const isNumber =
            i === end || kinds[bytes[i] as number] === DELIMITER || kinds[bytes[i] as number] === LINE_END;
          for (; i < end; i += 1) {
            const kind = kinds[bytes[i] as number] as number;
            if (kind === OTHER) continue;
            if (kind !== QUOTE) break;
            problem ??= 'has a quote inside an unquoted field';
          }
          stop = i;
          const length = stop - start;
          found =
            isNumber && length > 0 && (length > 255 || nullLengths[length] === 0)
              ? simpleNumber(bytes, start, first, stop, pointAt)
              : 0;
          if (found === 0) found = this.#classOf(bytes, start, stop, count);
        }
        if (i === end && !final) return this.#incomplete(bytes, at, false, lines);
        if (count === starts.length) {
          if (this.#columns < 0 || count < this.#columns) {
            this.#grow();
            ({ starts, ends, classes, forms } = this.#arrays());
          }
        }
        if (count < starts.length) {
          starts[count] = start;
          ends[count] = stop;
          classes[count] = found;
          forms[count] = form;
        }
        count += 1;
        recordEnd = i;
        if (i === end) break;
        const byte = bytes[i] as number;
        if (byte === delimiter) {
          i += 1;
          continue;
        }
        if (byte === LF) {
          next = i + 1;
          this.#lineEnds |= NEWLINE_LF;
          break;
        }
        if (i + 1 === end && !final) return this.#incomplete(bytes, at, false, lines);
        if (bytes[i + 1] === LF) {
          next = i + 2;
          this.#lineEnds |= NEWLINE_CRLF;
        } else {
          next = i + 1;
          this.#lineEnds |= NEWLINE_CR;
        }
        break;
      }
      const length = recordEnd - at;
      if (length > this.#longest) this.#longest = length;
      if (lines > 0) this.#hasLineEndsInFields = true;
      if (length === 0) this.#blanks += 1;
      // DuckDB drops some of the empty lines that are records.
      if (length > 0 || this.#columns === 1) this.#finish(bytes, at, recordEnd, count, problem, lines, clean);
      this.#line += lines + 1;
      at = next;
    }
    return at;
  }

  #finish(
    bytes: Buffer,
    at: number,
    recordEnd: number,
    count: number,
    given: string | null,
    lines: number,
    clean: boolean,
  ): void {
    let problem = given;
    if (problem === null && recordEnd - at > MAX_RECORD_BYTES) problem = TOO_LONG;
    if (problem === null && !clean) {
      const record = bytes.subarray(at, recordEnd);
      if (record.includes(0)) problem = 'has a NUL character';
      else if (!isUtf8(record)) problem = 'is not UTF-8';
    }
    if (this.#columns < 0) {
      this.#begin(bytes, count, problem);
      if (this.#dialect.header) return;
    }
    this.#records += 1;
    if (problem === null && count !== this.#columns) {
      problem = `has ${count} field${count === 1 ? '' : 's'} instead of ${this.#columns}`;
    }
    if (problem !== null && lines > 0) {
      throw corrupt(
        this.#file,
        this.#line,
        `${problem}, and extends over ${lines + 1} lines: it cannot be told how many records that is`,
        { next: 'Correct the quotes from this line on.' },
      );
    }
    if (problem === null && this.#hasDeclared) problem = this.#unfit(bytes);
    if (problem !== null) {
      this.#malformed += 1;
      this.#handler?.malformed({ line: this.#line, problem, text: rawText(bytes.subarray(at, recordEnd)) });
      return;
    }
    const tally = this.#tally;
    const classes = this.#classes;
    const known = tally.classes;
    for (let column = 0; column < count; column += 1) {
      const found = classes[column] as number;
      if (((known[column] as number) & found) === 0) {
        tally.seen(column, found, this.#line, () =>
          bytes.toString('utf8', this.#starts[column], this.#ends[column]),
        );
      }
      if (found === NULL) tally.nulls[column] = (tally.nulls[column] as number) + 1;
      else if (found === EMPTY) tally.empties[column] = (tally.empties[column] as number) + 1;
    }
    this.#handler?.record({ bytes, start: at, end: recordEnd, ...this.#arrays(), columns: count });
  }

  /** The first record: the names of the columns, or how many there are. */
  #begin(bytes: Buffer, count: number, problem: string | null): void {
    if (count > MAX_COLUMNS) {
      throw corrupt(this.#file, this.#line, `has ${count} columns; there may be ${MAX_COLUMNS}`, {
        next: 'Check input.delimiter, or leave columns out of the file.',
      });
    }
    if (problem !== null && this.#dialect.header)
      throw corrupt(this.#file, this.#line, `${problem}; it names the columns`);
    if (!this.#dialect.header && count === 1 && this.#blanks > 0) {
      throw corrupt(
        this.#file,
        1,
        'is empty, and the file has one column: it cannot be told whether it is a record',
      );
    }
    this.#columns = count;
    for (let column = 0; column < count; column += 1) {
      this.#tally.add(this.#dialect.header ? this.#text(bytes, column) : `column${column}`);
    }
    refuseNames(this.#file, this.#line, this.#tally.names);
    this.#types = this.#tally.names.map((name) => this.#declared.get(name.toLowerCase()) ?? null);
    this.#hasDeclared = this.#types.some((type) => type !== null && type !== 'VARCHAR');
    while (this.#starts.length < count) this.#grow();
  }

  #text(bytes: Buffer, column: number): string {
    const text = bytes.toString('utf8', this.#starts[column], this.#ends[column]);
    const quote = this.#dialect.quote;
    return this.#forms[column] === DOUBLED_QUOTES ? text.replaceAll(quote + quote, quote) : text;
  }

  /** The first value that does not fit its declared type, as a problem. */
  #unfit(bytes: Buffer): string | null {
    for (let column = 0; column < this.#columns; column += 1) {
      const type = this.#types[column];
      const found = this.#classes[column] as number;
      if (type === null || type === undefined || (found & (NULL | EMPTY | (SURELY[type] ?? 0))) !== 0)
        continue;
      const text = this.#text(bytes, column);
      if (fitsType(text, type, this.#dialect.decimal)) continue;
      return `has ${JSON.stringify(text.slice(0, 40))} in column ${this.#tally.names[column]}, which is no ${type}`;
    }
    return null;
  }

  #classOf(bytes: Buffer, start: number, stop: number, column: number): number {
    const length = stop - start;
    if (length === 0) return this.#emptyIsNull ? NULL : EMPTY;
    if (this.#nullLengths[Math.min(length, 255)] === 1 && this.#isNull(bytes, start, stop)) return NULL;
    if (this.#isText(column)) return TEXT;
    return this.#classOfText(bytes, start, stop);
  }

  /** Of a quoted field. */
  #classOfRange(bytes: Buffer, start: number, stop: number, column: number): number {
    if (this.#isText(column)) return TEXT;
    const first = bytes[start] === MINUS ? start + 1 : start;
    let at = first;
    let pointAt = -1;
    for (; at < stop; at += 1) {
      const byte = bytes[at] as number;
      if ((byte - 48) >>> 0 <= 9) continue;
      if (byte !== this.#point || pointAt !== -1) return this.#classOfText(bytes, start, stop);
      pointAt = at;
    }
    return simpleNumber(bytes, start, first, stop, pointAt) || this.#classOfText(bytes, start, stop);
  }

  /** It is, whatever else is in it. */
  #isText(column: number): boolean {
    return ((this.#tally.classes[column] ?? 0) & TEXT) !== 0 && (this.#types[column] ?? null) === null;
  }

  #classOfText(bytes: Buffer, start: number, stop: number): number {
    if (stop - start > 64) return TEXT;
    const text = bytes.toString('latin1', start, stop);
    if (this.#dialect.decimal === '.') return classifyText(text);
    // With a decimal comma, a point makes no number, and a comma nothing else.
    const found = classifyText(text.replace(',', '.'));
    const isNumber = (found & (INT | WIDE_INT | FRACTION)) !== 0;
    return text.includes(isNumber ? '.' : ',') ? TEXT : found;
  }

  #isNull(bytes: Buffer, start: number, stop: number): boolean {
    return this.#nulls.some(
      (text) => text.length === stop - start && bytes.compare(text, 0, text.length, start, stop) === 0,
    );
  }

  #arrays() {
    return { starts: this.#starts, ends: this.#ends, classes: this.#classes, forms: this.#forms };
  }

  #grow(): void {
    const size = this.#starts.length * 2;
    const copy = (from: Int32Array) => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.#starts = copy(this.#starts);
    this.#ends = copy(this.#ends);
    this.#classes = copy(this.#classes);
    const forms = new Uint8Array(size);
    forms.set(this.#forms);
    this.#forms = forms;
  }

  /** What is there of the record that begins at `at` is not all of it. Past the limit, it is given up. */
  #incomplete(bytes: Buffer, at: number, inQuotes: boolean, lines: number): number {
    if (bytes.length - at <= MAX_RECORD_BYTES) return at;
    if (inQuotes || lines > 0 || this.#columns < 0) throw this.#unterminated(lines, bytes.subarray(at));
    this.#skipping = { line: this.#line, text: rawText(bytes.subarray(at)) };
    return bytes.length;
  }

  /** Drops bytes up to the end of a line that is too long; returns where the next begins. */
  #skipLine(bytes: Buffer, final: boolean): number {
    const skipped = this.#skipping;
    const cr = bytes.indexOf(CR);
    const lf = bytes.indexOf(LF);
    const stop = cr === -1 ? lf : lf === -1 ? cr : Math.min(cr, lf);
    if (skipped === null || (stop === -1 && !final)) return 0;
    if (bytes[stop] === CR && stop + 1 === bytes.length && !final) {
      // Whether LF follows is not known yet.
      this.#pending.keep(bytes.subarray(stop));
      return 0;
    }
    this.#skipping = null;
    this.#records += 1;
    this.#malformed += 1;
    this.#line += 1;
    this.#longest = Math.max(this.#longest, MAX_RECORD_BYTES + 1);
    this.#handler?.malformed({ line: skipped.line, problem: TOO_LONG, text: skipped.text });
    if (stop === -1) return bytes.length;
    return bytes[stop] === CR && bytes[stop + 1] === LF ? stop + 2 : stop + 1;
  }

  #unterminated(lines: number, rest: Buffer): Failure {
    const shown = JSON.stringify(rest.toString('utf8', 0, 40));
    return corrupt(
      this.#file,
      this.#line + lines,
      `opens a quote that is not closed ${rest.length > MAX_RECORD_BYTES ? 'within 32 MiB' : 'before the end of the file'}: ${shown} ...`,
      { next: 'Close the quote, or set input.quote to the character that encloses fields.' },
    );
  }
}

const TOO_LONG = 'is longer than 32 MiB';

/**
 * Class of a field of digits (from `first` on) and at most one point (`pointAt`, or -1), behind a minus or not; 0: it has to be looked
 * at more closely.
 */
function simpleNumber(bytes: Buffer, start: number, first: number, stop: number, pointAt: number): number {
  const whole = (pointAt === -1 ? stop : pointAt) - first;
  if (whole > 1 && bytes[first] === 48) return 0;
  if (pointAt === -1) return whole > 0 && whole <= 15 && (start === first || bytes[first] !== 48) ? INT : 0;
  if (whole === 0 || pointAt + 1 === stop) return 0;
  // Fifteen digits and the point.
  return stop - first <= 16 || isShortFraction(bytes, start, stop, bytes[pointAt] as number) ? FRACTION : 0;
}

/** Index of the quote that ends a field; doubled quotes are passed over. -1: there is none yet. */
function closingQuote(bytes: Buffer, from: number, quote: number): number {
  let at = from;
  for (;;) {
    const near = Math.min(bytes.length, at + 64);
    while (at < near && bytes[at] !== quote) at += 1;
    if (at === near && at < bytes.length) at = bytes.indexOf(quote, at);
    if (at < 0 || at >= bytes.length) return -1;
    if (bytes[at + 1] !== quote) return at;
    at += 2;
  }
}

function hasQuote(bytes: Buffer, start: number, stop: number, quote: number): boolean {
  for (let at = start; at < stop && at < start + 64; at += 1) if (bytes[at] === quote) return true;
  const found = stop - start > 64 ? bytes.indexOf(quote, start + 64) : -1;
  return found !== -1 && found < stop;
}

/** Line ends between two places: LF, CR and CRLF each count once. */
function lineEnds(bytes: Buffer, start: number, stop: number): number {
  let count = 0;
  for (let at = start; at < stop; at += 1) {
    const byte = bytes[at];
    if (byte === LF || (byte === CR && !(bytes[at + 1] === LF && at + 1 < stop))) count += 1;
  }
  return count;
}
