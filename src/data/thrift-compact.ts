import { NotPlain } from './not-plain.ts';

/** Type codes of the protocol, as far as Parquet has them. */
export const THRIFT = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  struct: 12,
} as const;

/** Parquet's own metadata nests six deep. */
const MAX_DEPTH = 24;

/**
 * Thrift's compact protocol, read where it lies: of a footer with 4,000 column chunks a shard needs some fields of some of
 * them, and `hyparquet`, which makes objects of everything, takes 40 ms for it.
 *
 * Throws NotPlain at anything malformed. Whatever the bytes say, it allocates nothing by their word and each step takes
 * at least one byte, so that its work is bounded by their number.
 */
export class CompactReader {
  readonly #bytes: Uint8Array;
  /** Of the next byte. */
  at: number;
  #depth = 0;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** Calls `field` for each field of a struct; it must consume the value, by `skip` if by nothing else. */
  struct(field: (id: number, type: number) => void): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new NotPlain('metadata is nested too deeply');
    for (let id = 0; ; ) {
      const head = this.byte();
      const type = head & 0x0f;
      if (type === 0) break;
      id = head >> 4 === 0 ? this.int() : id + (head >> 4);
      field(id, type);
    }
    this.#depth -= 1;
  }

  /** Calls `element` for each element of a list; it must consume it. */
  list(element: (index: number, type: number) => void): void {
    const head = this.byte();
    const size = head >> 4 === 15 ? this.varint() : head >> 4;
    for (let index = 0; index < size; index += 1) element(index, head & 0x0f);
  }

  /** The zigzag number of an i16, i32 or i64; within 2^53. */
  int(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  binary(): Uint8Array {
    const length = this.varint();
    const start = this.at;
    this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    return Buffer.from(this.binary()).toString('utf8');
  }

  byte(): number {
    const value = this.#bytes[this.at];
    if (value === undefined) throw new NotPlain('metadata ends early');
    this.at += 1;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 63; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw new NotPlain('a number in the metadata is too large');
  }

  /** Passes over a field's value. */
  skip(type: number): void {
    // The value of a truth value is its type.
    if (type !== THRIFT.true && type !== THRIFT.false) this.skipElement(type);
  }

  /** Passes over a value in a list, where truth values have a byte of their own. */
  skipElement(type: number): void {
    if (type === THRIFT.true || type === THRIFT.false || type === THRIFT.byte) this.byte();
    else if (type === THRIFT.i16 || type === THRIFT.i32 || type === THRIFT.i64) this.#skipVarint();
    else if (type === THRIFT.double) this.#advance(8);
    else if (type === THRIFT.binary) this.#advance(this.varint());
    else if (type === THRIFT.struct) this.struct(this.#skipField);
    else if (type === THRIFT.list || type === THRIFT.set) {
      this.#depth += 1;
      if (this.#depth > MAX_DEPTH) throw new NotPlain('metadata is nested too deeply');
      this.list(this.#skipListed);
      this.#depth -= 1;
    } else throw new NotPlain(`metadata of type ${type}`);
  }

  readonly #skipField = (_: number, type: number): void => this.skip(type);
  readonly #skipListed = (_: number, type: number): void => this.skipElement(type);

  #skipVarint(): void {
    for (let left = 10; left > 0; left -= 1) if (this.byte() < 0x80) return;
    throw new NotPlain('a number in the metadata is too large');
  }

  #advance(bytes: number): void {
    if (bytes > this.#bytes.length - this.at) throw new NotPlain('metadata ends early');
    this.at += bytes;
  }
}
