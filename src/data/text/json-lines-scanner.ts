import { isUtf8 } from 'node:buffer';
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
  TEXT,
  WIDE_INT,
} from '../../core/field-class.ts';
import { ColumnTally, MAX_COLUMNS } from './column-facts.ts';
import { COLON, COMMA, JsonCursor, LIST, NotJson, OBJECT, OBJECT_END } from './json-value.ts';
import { isCleanText, PendingBytes } from './pending-bytes.ts';
import { JSON_STRING, MAX_RECORD_BYTES, PLAIN_FIELD, type RecordHandler, rawText } from './record-handler.ts';
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
  /** By place in the object: the key that was there last, and its column. */
  readonly #expected: { readonly key: Buffer; readonly column: number }[] = [];
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
  // Fields of the record in hand by place in the object, ...
  readonly #members: Member[] = [];
  #count = 0;
  // ... and by column.
  #starts = new Int32Array(64);
  #ends = new Int32Array(64);
  #classes = new Int32Array(64);
  #forms = new Uint8Array(64);

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
    const { names } = this.#tally;
    this.#classes.fill(NULL, 0, names.length);
    for (let place = 0; place < this.#count; place += 1) {
      const { column, start: from, end: to, class: found, isEscaped } = this.#members[place] as Member;
      this.#starts[column] = from;
      this.#ends[column] = to;
      this.#classes[column] = found;
      this.#forms[column] = isEscaped === null ? PLAIN_FIELD : JSON_STRING;
      if (found !== NULL) this.#present[column] = (this.#present[column] as number) + 1;
      if (((this.#tally.classes[column] as number) & found) !== found) {
        this.#tally.seen(column, found, this.#line, () =>
          bytes.toString('utf8', from, Math.min(to, from + 200)),
        );
      }
    }
    this.#handler?.record({
      bytes,
      start,
      end,
      starts: this.#starts,
      ends: this.#ends,
      classes: this.#classes,
      forms: this.#forms,
      columns: names.length,
    });
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
      this.#readObject();
      return this.#resolveColumns(bytes);
    } catch (error) {
      if (error instanceof NotJson) return error.message;
      throw error;
    }
  }

  #readObject(): void {
    const cursor = this.#cursor;
    this.#count = 0;
    cursor.expect(OBJECT, 'an object ({)');
    cursor.skipSpace();
    if (!cursor.take(OBJECT_END)) {
      for (;;) {
        cursor.skipSpace();
        const member = this.#nextMember();
        member.keyStart = cursor.at;
        // Nearly always the key that was there in the last record.
        const expected = this.#expected[this.#count - 1];
        if (expected !== undefined && cursor.takeAll(expected.key)) {
          member.column = expected.column;
          member.keyEscaped = false;
        } else {
          member.column = -1;
          member.keyEscaped = cursor.string();
        }
        member.keyEnd = cursor.at;
        cursor.skipSpace();
        cursor.expect(COLON, 'a colon');
        cursor.skipSpace();
        member.start = cursor.at;
        const isText = cursor.bytes[cursor.at] === 0x22;
        member.isEscaped = isText ? cursor.string() : null;
        member.class = isText ? TEXT : cursor.value();
        member.end = cursor.at;
        cursor.skipSpace();
        if (cursor.take(OBJECT_END)) break;
        cursor.expect(COMMA, 'a comma or }');
      }
    }
    cursor.skipSpace();
    if (cursor.at !== cursor.end) throw new NotJson(`has more behind the object`);
  }

  /** Members are used again, record by record. */
  #nextMember(): Member {
    let member = this.#members[this.#count];
    if (member === undefined) {
      member = {
        keyStart: 0,
        keyEnd: 0,
        keyEscaped: false,
        start: 0,
        end: 0,
        class: 0,
        isEscaped: null,
        column: -1,
      };
      this.#members.push(member);
    }
    this.#count += 1;
    return member;
  }

  /** Finds the column of each member; returns a problem of the record, if it has one. New columns come last. */
  #resolveColumns(bytes: Buffer): string | null {
    const stamp = this.#records + 1;
    const added: { readonly member: Member; readonly name: string }[] = [];
    for (let place = 0; place < this.#count; place += 1) {
      const member = this.#members[place] as Member;
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
        this.#expected[place] = { key: Buffer.from(bytes.subarray(member.keyStart, member.keyEnd)), column };
      }
      if (this.#stamps[column] === stamp)
        return `has the key ${shown(this.#tally.names[column] ?? '')} twice`;
      this.#stamps[column] = stamp;
      member.column = column;
      const problem = this.#unfit(
        bytes,
        member,
        this.#types[column] ?? null,
        this.#tally.names[column] ?? '',
      );
      if (problem !== null) return problem;
    }
    for (const { member, name } of added) {
      const problem = this.#unfit(bytes, member, this.#declared.get(name.toLowerCase()) ?? null, name);
      if (problem !== null) return problem;
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
    if (column < this.#stamps.length) return column;
    const size = column * 2;
    const floats = (from: Float64Array) => {
      const to = new Float64Array(size);
      to.set(from);
      return to;
    };
    const ints = (from: Int32Array) => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.#stamps = floats(this.#stamps);
    this.#present = floats(this.#present);
    this.#starts = ints(this.#starts);
    this.#ends = ints(this.#ends);
    this.#classes = ints(this.#classes);
    const forms = new Uint8Array(size);
    forms.set(this.#forms);
    this.#forms = forms;
    return column;
  }

  #unfit(bytes: Buffer, member: Member, type: string | null, name: string): string | null {
    const { start, end, class: found } = member;
    if (type === null || found === NULL || ((SURELY[type] ?? 0) & found) === found) return null;
    const raw = bytes.toString('utf8', start, end);
    if (type.endsWith('[]')) {
      const elements = found >= LIST_EMPTY ? listTexts(raw) : null;
      if (elements?.every((text) => text === null || fitsType(text, type.slice(0, -2), '.'))) return null;
    } else if (
      found < LIST_EMPTY &&
      fitsType(member.isEscaped === null ? raw : (JSON.parse(raw) as string), type, '.')
    ) {
      return null;
    }
    return `has ${raw.slice(0, 40)} in ${name}, which is no ${type}`;
  }
}

interface Member {
  keyStart: number;
  keyEnd: number;
  keyEscaped: boolean;
  start: number;
  end: number;
  class: number;
  /** Of a text; null for other values. */
  isEscaped: boolean | null;
  /** -1: not known yet. */
  column: number;
}

const EMPTY_BYTES = Buffer.alloc(0);
const TOO_LONG = 'is longer than 32 MiB';

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

function keyText(bytes: Buffer, { keyStart, keyEnd, keyEscaped }: Member): string {
  return keyEscaped
    ? (JSON.parse(bytes.toString('utf8', keyStart, keyEnd)) as string)
    : bytes.toString('utf8', keyStart + 1, keyEnd - 1);
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}
