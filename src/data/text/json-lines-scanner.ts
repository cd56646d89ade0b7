import { isUtf8 } from 'node:buffer';
import { NULL } from '../../core/field-class.ts';
import { ColumnTally, MAX_COLUMNS } from './column-facts.ts';
import { FieldArrays } from './field-arrays.ts';
import { grown } from './grown.ts';
import { jsonFits } from './json-fits.ts';
import { JsonObject, keyText, type Member } from './json-object.ts';
import { JsonCursor, LIST, NotJson } from './json-value.ts';
import { isCleanText, PendingBytes } from './pending-bytes.ts';
import {
  JSON_STRING,
  MAX_RECORD_BYTES,
  PLAIN_FIELD,
  type RecordHandler,
  rawText,
  TOO_LONG,
} from './record-handler.ts';
import { corrupt, refuseNames } from './text-failures.ts';
import type { ScannedText, TextScanner } from './text-scanner.ts';

const LF = 10;

/**
 * Reads JSON Lines strictly: each line that is not blank is one object, its keys are the columns, a key that is not there
 * is null. Keys inside of values are no columns. Like `CsvScanner` it knows nothing of DuckDB's parser.
 *
 * Malformed: what is no JSON object (RFC 8259), a key twice, an empty key, NUL, half characters, what is not UTF-8, more than
 * 512 levels, more than 32 MiB, a value that does not fit a declared type. A file that is one JSON array, or has lines that
 * end with CR alone, is SOURCE_CORRUPT.
 */
export class JsonLinesScanner implements TextScanner {
  readonly #file: string;
  readonly #declared: ReadonlyMap<string, string>;
  readonly #handler: RecordHandler | null;
  readonly #pending = new PendingBytes();
  readonly #tally = new ColumnTally();
  readonly #cursor = new JsonCursor();
  readonly #columnOf = new Map<string, number>();
  readonly #folded = new Map<string, string>();
  /** By column: the last record that had it. */
  #stamps = new Float64Array(64);
  #present = new Float64Array(64);
  #types: (string | null)[] = [];
  #line = 1;
  #records = 0;
  #malformed = 0;
  #longest = 0;
  #blanks = 0;
  #hasBom = false;
  #starting = true;
  #skipping: { readonly line: number; readonly text: string } | null = null;
  // Of the record in hand: by place in the object, and by column.
  readonly #object = new JsonObject();
  readonly #fields = new FieldArrays();

  /** `declared`: types by key in lower case; a declared key is a column even where no record has it. */
  constructor(
    file: string,
    declared: ReadonlyMap<string, string>,
    handler: RecordHandler | null = null,
    columns: readonly string[] = [],
  ) {
    this.#file = file;
    this.#declared = declared;
    this.#handler = handler;
    for (const name of columns) this.#addColumn(name);
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
      this.#hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
      if (this.#hasBom) bytes = bytes.subarray(3);
    }
    const clean = isCleanText(bytes, final);
    let at = 0;
    while (at < bytes.length) {
      let end = bytes.indexOf(LF, at);
      if (end === -1) {
        if (!final) break;
        end = bytes.length;
      }
      if (this.#skipping !== null) this.#refuse(this.#skipping.text, TOO_LONG);
      else this.#take(bytes, at, end, clean);
      this.#skipping = null;
      this.#line += 1;
      at = end + 1;
    }
    if (at < bytes.length && this.#skipping === null && bytes.length - at > MAX_RECORD_BYTES) {
      this.#skipping = { line: this.#line, text: rawText(bytes.subarray(at)) };
    }
    this.#pending.keep(this.#skipping === null ? bytes.subarray(Math.min(at, bytes.length)) : EMPTY_BYTES);
    if (final && this.#skipping !== null) this.#refuse(this.#skipping.text, TOO_LONG);
  }

  scanned(): ScannedText {
    const wellFormed = this.#records - this.#malformed;
    for (const column of this.#tally.names.keys()) {
      const nulls = wellFormed - (this.#present[column] as number);
      this.#tally.nulls[column] = nulls;
      if (nulls > 0) this.#tally.classes[column] = (this.#tally.classes[column] as number) | NULL;
    }
    return {
      records: this.#records,
      malformed: this.#malformed,
      columns: this.#tally.facts(),
      longestRecordBytes: this.#longest,
      isRegular: this.#blanks === 0 && !this.#hasBom && !this.#cursor.hasMinusZero,
      lineEnd: '\n',
      hasLineEndsInFields: false,
    };
  }

  /** One line. */
  #take(bytes: Buffer, start: number, end: number, clean: boolean): void {
    const cursor = this.#cursor;
    cursor.bytes = bytes;
    cursor.start = start;
    cursor.at = start;
    cursor.end = end;
    cursor.skipSpace();
    if (cursor.at === end) {
      this.#blanks += 1;
      return;
    }
    if (this.#records === 0 && bytes[cursor.at] === LIST) {
      throw corrupt(this.#file, this.#line, 'begins a JSON array; JSON Lines have one object in each line', {
        next: 'Write one object per line, as: jq -c .[] file.json > file.jsonl',
      });
    }
    this.#longest = Math.max(this.#longest, end - start);
    const problem = this.#problemOf(bytes, start, end, clean);
    if (problem !== null) {
      const line = bytes.subarray(start, end);
      const cr = line.indexOf(13);
      if (cr !== -1 && cr < line.length - 1 && line.subarray(cr).toString('latin1').trim() !== '') {
        throw corrupt(
          this.#file,
          this.#line,
          'has CR in the middle of a line; lines of JSON Lines end with LF',
        );
      }
      this.#refuse(rawText(line), problem);
      return;
    }
    this.#records += 1;
    this.#count(bytes);
    const { starts, ends, classes, forms } = this.#fields;
    const columns = this.#tally.names.length;
    this.#handler?.record({ bytes, start, end, starts, ends, classes, forms, columns });
  }

  /** Puts the members of the record where their columns are, and into the facts of those. */
  #count(bytes: Buffer): void {
    const tally = this.#tally;
    const { starts, ends, classes, forms } = this.#fields;
    classes.fill(NULL, 0, tally.names.length);
    for (let place = 0; place < this.#object.count; place += 1) {
      const { column, start, end, class: found, isEscaped } = this.#object.member(place);
      starts[column] = start;
      ends[column] = end;
      classes[column] = found;
      forms[column] = isEscaped === null ? PLAIN_FIELD : JSON_STRING;
      if (found !== NULL) this.#present[column] = (this.#present[column] as number) + 1;
      if (((tally.classes[column] as number) & found) !== found) {
        tally.seen(column, found, this.#line, () =>
          bytes.toString('utf8', start, Math.min(end, start + 200)),
        );
      }
    }
  }

  #refuse(text: string, problem: string): void {
    this.#records += 1;
    this.#malformed += 1;
    this.#handler?.malformed({ line: this.#line, problem, text });
  }

  #problemOf(bytes: Buffer, start: number, end: number, clean: boolean): string | null {
    if (end - start > MAX_RECORD_BYTES) return TOO_LONG;
    if (!clean) {
      const line = bytes.subarray(start, end);
      if (line.includes(0)) return 'has a NUL character';
      if (!isUtf8(line)) return 'is not UTF-8';
    }
    try {
      this.#object.read(this.#cursor);
      return this.#resolveColumns(bytes);
    } catch (error) {
      if (error instanceof NotJson) return error.message;
      throw error;
    }
  }

  /** Finds the column of each member; returns a problem of the record, if it has one. New columns come last. */
  #resolveColumns(bytes: Buffer): string | null {
    const stamp = this.#records + 1;
    const added: { readonly member: Member; readonly name: string }[] = [];
    for (let place = 0; place < this.#object.count; place += 1) {
      const member = this.#object.member(place);
      let column: number | undefined = member.column;
      if (column === -1) {
        const name = keyText(bytes, member);
        if (name === '') return 'has an empty key';
        column = this.#columnOf.get(name);
        if (column === undefined) {
          if (added.some((other) => other.name === name)) return `has the key ${shown(name)} twice`;
          added.push({ member, name });
          continue;
        }
        this.#object.expect(bytes, place, column);
      }
      if (this.#stamps[column] === stamp)
        return `has the key ${shown(this.#tally.names[column] ?? '')} twice`;
      this.#stamps[column] = stamp;
      member.column = column;
      const type = this.#types[column] ?? null;
      if (!jsonFits(bytes, member, type)) return unfit(bytes, member, type, this.#tally.names[column] ?? '');
    }
    for (const { member, name } of added) {
      const type = this.#declared.get(name.toLowerCase()) ?? null;
      if (!jsonFits(bytes, member, type)) return unfit(bytes, member, type, name);
    }
    for (const { member, name } of added) {
      member.column = this.#addColumn(name);
      this.#stamps[member.column] = stamp;
    }
    return null;
  }

  /** Fails with COLUMN_AMBIGUOUS for a name that cannot be a column's, SOURCE_CORRUPT for one too many. */
  #addColumn(name: string): number {
    const other = this.#folded.get(name.toLowerCase());
    refuseNames(this.#file, this.#line, other === undefined ? [name] : [other, name]);
    this.#folded.set(name.toLowerCase(), name);
    if (this.#tally.names.length === MAX_COLUMNS) {
      throw corrupt(
        this.#file,
        this.#line,
        `has key number ${MAX_COLUMNS + 1}, ${shown(name)}; there may be ${MAX_COLUMNS}`,
        {
          next: 'Put what varies into values: keys are columns.',
        },
      );
    }
    const column = this.#tally.add(name);
    this.#columnOf.set(name, column);
    this.#types[column] = this.#declared.get(name.toLowerCase()) ?? null;
    this.#fields.reserve(column + 1);
    if (column === this.#stamps.length) {
      this.#stamps = grown(this.#stamps, column * 2);
      this.#present = grown(this.#present, column * 2);
    }
    return column;
  }
}

const EMPTY_BYTES = Buffer.alloc(0);

function unfit(bytes: Buffer, { start, end }: Member, type: string | null, name: string): string {
  return `has ${bytes.toString('utf8', start, end).slice(0, 40)} in ${name}, which is no ${type}`;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}
