import { EMPTY, FRACTION, INT, NULL, TEXT, WIDE_INT } from '../../core/field-class.ts';
import { classifyText, isShortFraction } from './classify-field.ts';
import type { CsvDialect } from './csv-dialect.ts';

const MINUS = 45;
const ZERO = 48;
/** Longer texts are nothing but text (`classifyText`). */
const LONGEST_VALUE = 64;

/** Tells the class of a field (core/field-class.ts) from its bytes, in one dialect. */
export class CsvFieldClass {
  /** By length up to 255: may a field be null? */
  readonly nullLengths = new Uint8Array(256);
  readonly #nulls: readonly Buffer[];
  readonly #emptyIsNull: boolean;
  readonly #decimal: '.' | ',';
  readonly #point: number;

  constructor({ nulls, decimal }: CsvDialect) {
    this.#nulls = nulls.map((text) => Buffer.from(text));
    this.#emptyIsNull = nulls.includes('');
    this.#decimal = decimal;
    this.#point = decimal.charCodeAt(0);
    for (const { length } of this.#nulls) if (length > 0) this.nullLengths[Math.min(255, length)] = 1;
  }

  /** `isText`: the column is text whatever else is in it. */
  ofUnquoted(bytes: Buffer, start: number, stop: number, isText: boolean): number {
    const length = stop - start;
    if (length === 0) return this.#emptyIsNull ? NULL : EMPTY;
    if (this.nullLengths[Math.min(length, 255)] === 1 && this.#isNull(bytes, start, stop)) return NULL;
    return isText ? TEXT : this.#ofText(bytes, start, stop);
  }

  /** Between its quotes, none of which are doubled. */
  ofQuoted(bytes: Buffer, start: number, stop: number, isText: boolean): number {
    if (start === stop) return EMPTY;
    if (isText) return TEXT;
    const first = bytes[start] === MINUS ? start + 1 : start;
    let pointAt = -1;
    for (let at = first; at < stop; at += 1) {
      const byte = bytes[at] as number;
      if ((byte - ZERO) >>> 0 <= 9) continue;
      if (byte !== this.#point || pointAt !== -1) return this.#ofText(bytes, start, stop);
      pointAt = at;
    }
    return simpleNumber(bytes, start, first, stop, pointAt) || this.#ofText(bytes, start, stop);
  }

  #ofText(bytes: Buffer, start: number, stop: number): number {
    if (stop - start > LONGEST_VALUE) return TEXT;
    const text = bytes.toString('latin1', start, stop);
    if (this.#decimal === '.') return classifyText(text);
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
}

/**
 * Class of a field of digits (from `first` on) and at most one point (`pointAt`, or -1), behind a minus or not; 0: it has to be looked
 * at more closely.
 */
export function simpleNumber(
  bytes: Buffer,
  start: number,
  first: number,
  stop: number,
  pointAt: number,
): number {
  const whole = (pointAt === -1 ? stop : pointAt) - first;
  if (whole > 1 && bytes[first] === ZERO) return 0;
  if (pointAt === -1) return whole > 0 && whole <= 15 && (start === first || bytes[first] !== ZERO) ? INT : 0;
  if (whole === 0 || pointAt + 1 === stop) return 0;
  // Fifteen digits and the point.
  return stop - first <= 16 || isShortFraction(bytes, start, stop, bytes[pointAt] as number) ? FRACTION : 0;
}
