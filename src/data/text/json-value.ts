import {
  BOOL,
  FRACTION,
  INT,
  JSON_TEXT,
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
import { classifyText, isShortFraction } from './classify-field.ts';

/** What deeper nesting would be for, no table says; it is refused, not followed. */
const MAX_DEPTH = 512;

/**
 * Reads JSON values (RFC 8259) in bytes, strictly and without recursion. Each method reads from `at` on and leaves `at`
 * behind what it has read; what is no JSON throws `NotJson`.
 */
export class JsonCursor {
  bytes: Buffer = Buffer.alloc(0);
  /** Where the line begins: places in messages count from here, from 1. */
  start = 0;
  at = 0;
  end = 0;
  /** -0 was read as a whole number: DuckDB's reader would make it 0. */
  hasMinusZero = false;
  readonly #closers = new Uint8Array(MAX_DEPTH);

  skipSpace(): void {
    const { bytes, end } = this;
    while (this.at < end) {
      const byte = bytes[this.at];
      if (byte !== 32 && byte !== 9 && byte !== 13 && byte !== 10) return;
      this.at += 1;
    }
  }

  /** Reads a byte if it is the next one. */
  take(byte: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== byte) return false;
    this.at += 1;
    return true;
  }

  /** Reads some bytes if they are the next ones. */
  takeAll(expected: Buffer): boolean {
    const { bytes, at } = this;
    if (at + expected.length > this.end) return false;
    for (let index = 0; index < expected.length; index += 1) {
      if (bytes[at + index] !== expected[index]) return false;
    }
    this.at += expected.length;
    return true;
  }

  expect(byte: number, what: string): void {
    if (!this.take(byte)) throw new NotJson(`lacks ${what} at byte ${this.#place(this.at)}`);
  }

  #place(at: number): number {
    return at - this.start + 1;
  }

  /** Reads any value; returns its class. */
  value(): number {
    switch (this.bytes[this.at]) {
      case QUOTE:
        this.string();
        return TEXT;
      case LIST:
        return this.#list();
      case OBJECT:
        this.#nested();
        return JSON_TEXT;
      default:
        return this.#plain();
    }
  }

  /** Reads a text with its quotes; true if it has escapes. */
  string(): boolean {
    const { bytes, end } = this;
    if (!this.take(QUOTE)) throw new NotJson(`lacks a text at byte ${this.#place(this.at)}`);
    let escaped = false;
    for (let at = this.at; at < end; at += 1) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.at = at + 1;
        return escaped;
      }
      if (byte < 32) throw new NotJson(`has a control character in a text, at byte ${this.#place(at)}`);
      if (byte !== BACKSLASH) continue;
      escaped = true;
      at = this.#escape(at + 1);
    }
    throw new NotJson('has a text that is not closed');
  }

  /** `at`: of the character after the backslash. Returns the place of the escape's last character. */
  #escape(at: number): number {
    const byte = this.bytes[at] as number;
    if (byte !== 0x75) {
      if (at < this.end && ESCAPES.has(byte)) return at;
      throw new NotJson(`has an unknown escape at byte ${this.#place(at)}`);
    }
    const unit = this.#hex(at + 1);
    if (unit === 0) throw new NotJson(`has a NUL character (\\u0000) at byte ${this.#place(at)}`);
    if (unit < 0xd800 || unit > 0xdfff) return at + 4;
    const low =
      unit < 0xdc00 && this.bytes[at + 5] === BACKSLASH && this.bytes[at + 6] === 0x75
        ? this.#hex(at + 7)
        : 0;
    if (low >= 0xdc00 && low <= 0xdfff) return at + 10;
    throw new NotJson(`has half a character (a lone surrogate) at byte ${this.#place(at)}`);
  }

  #hex(at: number): number {
    const text = this.bytes.toString('latin1', at, Math.min(at + 4, this.end));
    if (!/^[0-9a-f]{4}$/i.test(text)) throw new NotJson(`has an unknown escape at byte ${this.#place(at)}`);
    return Number.parseInt(text, 16);
  }

  /** A number, true, false or null. */
  #plain(): number {
    const { bytes, end } = this;
    const start = this.at;
    const simple = this.#simpleNumber();
    if (simple !== 0) return simple;
    let at = start;
    while (at < end && !ENDS_PLAIN.has(bytes[at] as number)) at += 1;
    this.at = at;
    const text = bytes.toString('latin1', start, Math.min(at, start + 400));
    if (text === '-0') this.hasMinusZero = true;
    if (text === 'null') return NULL;
    if (text === 'true' || text === 'false') return BOOL;
    if (!NUMBER.test(text) || at - start > 400) {
      this.at = start;
      throw new NotJson(
        text === ''
          ? `lacks a value at byte ${this.#place(start)}`
          : `has ${JSON.stringify(text.slice(0, 20))}, which is no value`,
      );
    }
    return classifyText(text);
  }

  /** A number of few digits without exponent, which is nearly all; 0, and nothing read, for anything else. */
  #simpleNumber(): number {
    const { bytes, end } = this;
    let at = this.at;
    if (bytes[at] === MINUS) at += 1;
    const first = at;
    let point = -1;
    for (; at < end; at += 1) {
      const byte = bytes[at] as number;
      if (byte >= 48 && byte <= 57) continue;
      if (byte !== POINT || point !== -1) break;
      point = at;
    }
    const whole = (point === -1 ? at : point) - first;
    const hasNoFraction = point === -1 ? false : at === point + 1;
    if (whole === 0 || hasNoFraction || (whole > 1 && bytes[first] === 48)) return 0;
    if (at < end && !ENDS_VALUE[bytes[at] as number]) return 0;
    // -0 is no whole number.
    if (point === -1 && bytes[first] === 48 && first !== this.at) return 0;
    if (at - first > 15 && (point === -1 || !isShortFraction(bytes, this.at, at, POINT))) return 0;
    this.at = at;
    return point === -1 ? INT : FRACTION;
  }

  #list(): number {
    const start = this.at;
    this.at += 1;
    this.skipSpace();
    if (this.take(LIST_END)) return LIST_EMPTY;
    let kinds = 0;
    for (;;) {
      this.skipSpace();
      const next = this.bytes[this.at];
      if (next === LIST || next === OBJECT) {
        this.at = start;
        this.#nested();
        return JSON_TEXT;
      }
      if (next === QUOTE) {
        this.string();
        kinds |= LIST_TEXT;
      } else kinds |= LIST_OF[this.#plain()] ?? JSON_TEXT;
      this.skipSpace();
      if (this.take(LIST_END)) break;
      this.expect(COMMA, 'a comma or ]');
    }
    if (kinds === 0) return LIST_EMPTY;
    const isOneKind = kinds === LIST_TEXT || kinds === LIST_BOOL || (kinds & ~LIST_NUMBERS) === 0;
    return isOneKind ? kinds : JSON_TEXT;
  }

  /** A list or object with whatever is in it. */
  #nested(): void {
    let depth = 0;
    for (;;) {
      // A value begins here.
      this.skipSpace();
      const opener = this.bytes[this.at];
      if ((opener === LIST || opener === OBJECT) && this.at < this.end) {
        if (depth === MAX_DEPTH) throw new NotJson(`is nested more than ${MAX_DEPTH} levels deep`);
        this.at += 1;
        this.#closers[depth] = opener + 2;
        depth += 1;
        this.skipSpace();
        if (!this.take(opener + 2)) {
          if (opener === OBJECT) this.#key();
          continue;
        }
        depth -= 1;
      } else if (opener === QUOTE) this.string();
      else this.#plain();
      // A value has ended here.
      for (;;) {
        if (depth === 0) return;
        this.skipSpace();
        const closer = this.#closers[depth - 1] as number;
        if (this.take(closer)) {
          depth -= 1;
          continue;
        }
        this.expect(COMMA, `a comma or ${String.fromCharCode(closer)}`);
        this.skipSpace();
        if (closer === OBJECT_END) this.#key();
        break;
      }
    }
  }

  #key(): void {
    this.string();
    this.skipSpace();
    this.expect(COLON, 'a colon');
  }
}

/** Completes "line 7 ...". */
export class NotJson extends Error {}

export const OBJECT = 0x7b;
export const OBJECT_END = 0x7d;
export const LIST = 0x5b;
const LIST_END = 0x5d;
export const COMMA = 0x2c;
export const COLON = 0x3a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));
const MINUS = 0x2d;
const POINT = 0x2e;
/** 1 for what may follow a value. */
const ENDS_VALUE = new Uint8Array(256);
for (const byte of Buffer.from(',]} \t\r\n')) ENDS_VALUE[byte] = 1;
const ENDS_PLAIN = new Set(Buffer.from(',]} \t\r\n"[{:'));
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const LIST_NUMBERS = LIST_INT | LIST_WIDE_INT | LIST_FRACTION;
/** By the class of an element: what it makes of the list. A number that is text as a field makes the list text. */
const LIST_OF: Readonly<Record<number, number>> = {
  [NULL]: 0,
  [BOOL]: LIST_BOOL,
  [INT]: LIST_INT,
  [WIDE_INT]: LIST_WIDE_INT,
  [FRACTION]: LIST_FRACTION,
};
