import { type FileHandle, open } from 'node:fs/promises';
import { EMPTY, NULL } from '../../core/field-class.ts';
import {
  DOUBLED_QUOTES,
  JSON_STRING,
  type MalformedRecord,
  type RecordFields,
  type RecordHandler,
} from './record-handler.ts';

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;

export interface PlainCopyForm {
  /** Of the columns, in the order of the scanner. */
  readonly types: readonly string[];
  /** That of the original. */
  readonly quote: string;
  readonly withMalformed: boolean;
  /** The original is CSV of this same dialect: records can be copied as they are. */
  readonly isPlainAlready: boolean;
}

/**
 * Copies records to a CSV file in one plain form, whatever the form of the originals: in front the number of the original,
 * so that no line is empty, then every field in quotes, or nothing for null; with `withMalformed` three fields more: line, problem and
 * text of a malformed record, whose other fields are null. A second pass over a file writes it, when types are known.
 */
export class PlainCopy implements RecordHandler {
  readonly #file: FileHandle;
  readonly #types: readonly string[];
  readonly #quote: string;
  readonly #withMalformed: boolean;
  readonly #isPlainAlready: boolean;
  #mark = Buffer.from('0');
  #out = Buffer.allocUnsafeSlow(64 * 2 ** 10);
  #length = 0;

  private constructor(file: FileHandle, form: PlainCopyForm) {
    this.#file = file;
    this.#types = form.types;
    this.#quote = form.quote;
    this.#withMalformed = form.withMalformed;
    this.#isPlainAlready = form.isPlainAlready;
  }

  static async create(path: string, form: PlainCopyForm): Promise<PlainCopy> {
    return new PlainCopy(await open(path, 'wx'), form);
  }

  /** What comes from now on is of this original; the first is number 0. */
  begin(original: number): void {
    this.#mark = Buffer.from(String(original));
  }

  record(fields: RecordFields): void {
    this.#front();
    if (this.#isPlainAlready && !this.#hasEmptyNull(fields)) {
      this.#byte(COMMA);
      this.#room(fields.end - fields.start);
      this.#length += fields.bytes.copy(this.#out, this.#length, fields.start, fields.end);
    } else for (let column = 0; column < fields.columns; column += 1) this.#field(fields, column);
    // Keys that only later lines have are columns all the same.
    for (let column = fields.columns; column < this.#types.length; column += 1) this.#byte(COMMA);
    if (this.#withMalformed) for (let extra = 0; extra < 3; extra += 1) this.#byte(COMMA);
    this.#byte(LF);
  }

  malformed({ line, problem, text }: MalformedRecord): void {
    this.#front();
    for (let column = 0; column < this.#types.length; column += 1) this.#byte(COMMA);
    for (const value of [String(line), problem, text]) {
      this.#byte(COMMA);
      this.#text(value);
    }
    this.#byte(LF);
  }

  /** Writes what has gathered, if it is much or the last. */
  async flush(final: boolean): Promise<void> {
    if (this.#length < 2 ** 20 && !final) return;
    for (let done = 0; done < this.#length; ) {
      const { bytesWritten } = await this.#file.write(this.#out, done, this.#length - done);
      done += bytesWritten;
    }
    this.#length = 0;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #front(): void {
    this.#room(this.#mark.length);
    this.#length += this.#mark.copy(this.#out, this.#length);
  }

  /** An empty field that has to become null, which it is not as it stands there. */
  #hasEmptyNull({ classes, columns }: RecordFields): boolean {
    for (let column = 0; column < columns; column += 1)
      if (classes[column] === EMPTY && this.#types[column] !== 'VARCHAR') return true;
    return false;
  }

  #field(fields: RecordFields, column: number): void {
    this.#byte(COMMA);
    const found = fields.classes[column] as number;
    if (found === NULL || (found === EMPTY && this.#types[column] !== 'VARCHAR')) return;
    const { bytes } = fields;
    const start = fields.starts[column] as number;
    const end = fields.ends[column] as number;
    const form = fields.forms[column] as number;
    if (form === JSON_STRING) {
      if (!bytes.subarray(start, end).includes(BACKSLASH)) this.#bytes(bytes, start + 1, end - 1);
      else this.#text(JSON.parse(bytes.toString('utf8', start, end)) as string);
    } else if (form === DOUBLED_QUOTES) {
      this.#text(bytes.toString('utf8', start, end).replaceAll(this.#quote + this.#quote, this.#quote));
    } else this.#bytes(bytes, start, end);
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.#bytes(bytes, 0, bytes.length);
  }

  /** In quotes, those inside doubled. */
  #bytes(bytes: Buffer, start: number, end: number): void {
    this.#room(2 * (end - start) + 2);
    const out = this.#out;
    let length = this.#length;
    out[length++] = QUOTE;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] as number;
      out[length++] = byte;
      if (byte === QUOTE) out[length++] = QUOTE;
    }
    out[length++] = QUOTE;
    this.#length = length;
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#out[this.#length++] = byte;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#out.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#out.length * 2, this.#length + bytes));
    this.#out.copy(grown, 0, 0, this.#length);
    this.#out = grown;
  }
}
