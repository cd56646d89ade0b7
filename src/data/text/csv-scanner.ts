import type { Failure } from '../../core/errors.ts';
import { TEXT } from '../../core/field-class.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { CsvFieldClass, simpleNumber } from './csv-field-class.ts';
import { closingQuote, hasQuote, lineEnds } from './csv-quotes.ts';
import { CsvRecords } from './csv-records.ts';
import { isCleanText, PendingBytes } from './pending-bytes.ts';
import {
  DOUBLED_QUOTES,
  MAX_RECORD_BYTES,
  PLAIN_FIELD,
  type RecordHandler,
  rawText,
  TOO_LONG,
} from './record-handler.ts';
import { corrupt } from './text-failures.ts';
import type { ScannedText, TextScanner } from './text-scanner.ts';

const LF = 10;
const CR = 13;
const MINUS = 45;

// Kinds of bytes.
const OTHER = 0;
const DELIMITER = 1;
const LINE_END = 2;
const QUOTE = 3;

// Line ends that a file has.
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
  readonly #kinds = new Uint8Array(256);
  readonly #quote: number;
  readonly #delimiter: number;
  readonly #point: number;
  readonly #hasHeader: boolean;
  readonly #classes: CsvFieldClass;
  readonly #records: CsvRecords;
  readonly #pending = new PendingBytes();
  #lineEnds = 0;
  #hasLineEndsInFields = false;
  #starting = true;
  #skipping: { readonly line: number; readonly text: string } | null = null;

  /** `declared`: types by column name in lower case. `file` is for messages. */
  constructor(
    file: string,
    dialect: CsvDialect,
    declared: ReadonlyMap<string, string>,
    handler: RecordHandler | null = null,
  ) {
    this.#file = file;
    this.#delimiter = dialect.delimiter.charCodeAt(0);
    this.#quote = dialect.quote === '' ? -1 : dialect.quote.charCodeAt(0);
    this.#point = dialect.decimal.charCodeAt(0);
    this.#hasHeader = dialect.header;
    this.#classes = new CsvFieldClass(dialect);
    this.#records = new CsvRecords(file, dialect, declared, handler);
    this.#kinds[LF] = LINE_END;
    this.#kinds[CR] = LINE_END;
    this.#kinds[this.#delimiter] = DELIMITER;
    if (this.#quote >= 0) this.#kinds[this.#quote] = QUOTE;
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
    if (final && this.#records.columns === -1 && this.#hasHeader) {
      throw corrupt(this.#file, undefined, 'is empty: it has no line with the names of the columns', {
        next: 'Write the header, take the file out of the input, or set input.header: false.',
      });
    }
  }

  scanned(): ScannedText {
    const ends = this.#lineEnds;
    const { records, malformed, longestBytes, blanks } = this.#records;
    return {
      records,
      malformed,
      columns: this.#records.facts(),
      longestRecordBytes: longestBytes,
      isRegular: (ends === NEWLINE_LF || ends === NEWLINE_CRLF || ends === 0) && blanks === 0,
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
    const records = this.#records;
    const { nullLengths } = this.#classes;
    const point = this.#point;
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      let { starts, ends, classes, forms } = records.fields;
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
            form === DOUBLED_QUOTES
              ? TEXT
              : this.#classes.ofQuoted(bytes, start, stop, records.isText(count));
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
          if (found === 0) found = this.#classes.ofUnquoted(bytes, start, stop, records.isText(count));
        }
        if (i === end && !final) return this.#incomplete(bytes, at, false, lines);
        if (count === starts.length) {
          if (records.columns < 0) {
            records.fields.reserve(count + 1);
            ({ starts, ends, classes, forms } = records.fields);
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
      if (length > records.longestBytes) records.longestBytes = length;
      if (lines > 0) this.#hasLineEndsInFields = true;
      if (length === 0) records.blanks += 1;
      // DuckDB drops some of the empty lines that are records.
      if (length > 0 || records.columns === 1)
        records.take(bytes, at, recordEnd, count, problem, lines, clean);
      records.line += lines + 1;
      at = next;
    }
    return at;
  }

  /** What is there of the record that begins at `at` is not all of it. Past the limit, it is given up. */
  #incomplete(bytes: Buffer, at: number, inQuotes: boolean, lines: number): number {
    if (bytes.length - at <= MAX_RECORD_BYTES) return at;
    if (inQuotes || lines > 0 || this.#records.columns < 0)
      throw this.#unterminated(lines, bytes.subarray(at));
    this.#skipping = { line: this.#records.line, text: rawText(bytes.subarray(at)) };
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
    this.#records.refuse(skipped.line, TOO_LONG, skipped.text);
    this.#records.line += 1;
    this.#records.longestBytes = Math.max(this.#records.longestBytes, MAX_RECORD_BYTES + 1);
    if (stop === -1) return bytes.length;
    return bytes[stop] === CR && bytes[stop + 1] === LF ? stop + 2 : stop + 1;
  }

  #unterminated(lines: number, rest: Buffer): Failure {
    const shown = JSON.stringify(rest.toString('utf8', 0, 40));
    return corrupt(
      this.#file,
      this.#records.line + lines,
      `opens a quote that is not closed ${rest.length > MAX_RECORD_BYTES ? 'within 32 MiB' : 'before the end of the file'}: ${shown} ...`,
      { next: 'Close the quote, or set input.quote to the character that encloses fields.' },
    );
  }
}
