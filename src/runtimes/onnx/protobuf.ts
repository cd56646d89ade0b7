/**
 * The part of the protobuf wire format that ONNX files use, read from hostile bytes and written back.
 * Source: protobuf.dev/programming-guides/encoding.
 *
 * Reading allocates nothing in proportion to a length that the bytes merely claim. Groups (wire types 3 and 4), which
 * no ONNX exporter writes, are refused.
 */

/** The bytes are not well-formed. `message` completes the sentence "the model file is not readable: ...". */
export class MalformedError extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Steps over the fields of one message, in order. After `next()` has returned true, `number` is the field's number and
 * one of `bytes()`, `text()`, `int()` reads it. A cursor and not a list: a model of 100 MB can hold 20 M fields.
 */
export class FieldCursor {
  number = 0;
  readonly #message: Uint8Array;
  #wire = 0;
  #start = 0;
  #value = 0;
  #end = 0;

  constructor(message: Uint8Array) {
    this.#message = message;
  }

  next(): boolean {
    this.#start = this.#end;
    if (this.#start >= this.#message.length) return false;
    const tag = this.#smallVarint(0xffffffff);
    this.number = tag >>> 3;
    this.#wire = tag & 7;
    if (this.number === 0) throw new MalformedError('it has a field with the number 0');
    this.#value = this.#end;
    switch (this.#wire) {
      case VARINT:
        this.#skipVarint();
        break;
      case FIXED64:
        this.#end += 8;
        break;
      case FIXED32:
        this.#end += 4;
        break;
      case BYTES: {
        const length = this.#smallVarint(0x7fffffff);
        this.#value = this.#end;
        this.#end += length;
        break;
      }
      default:
        throw new MalformedError(`it has a field of wire type ${this.#wire}`);
    }
    if (this.#end > this.#message.length) throw new MalformedError('it ends in the middle of a field');
    return true;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    this.#expect(BYTES);
    return this.#message.subarray(this.#value, this.#end);
  }

  text(): string {
    try {
      return utf8.decode(this.bytes());
    } catch (error) {
      if (error instanceof MalformedError) throw error;
      throw new MalformedError('it has a name that is not UTF-8');
    }
  }

  /** As an int64: varints hold negative numbers in two's complement. */
  int(): bigint {
    this.#expect(VARINT);
    return readVarint(this.#message, this.#value, this.#end);
  }

  /** Of a repeated int64, written one by one or packed. */
  ints(into: bigint[]): void {
    if (this.#wire === VARINT) {
      into.push(this.int());
      return;
    }
    this.#expect(BYTES);
    let at = this.#value;
    for (let end = at; end < this.#end; at = end) {
      while (end < this.#end && (this.#message[end] as number) >= 0x80) end++;
      end++;
      if (end > this.#end || end - at > 10) throw new MalformedError('it has a number that does not end');
      into.push(readVarint(this.#message, at, end));
    }
  }

  /** The field as it stands in the message, with its tag: how what is not changed is handed on. A view. */
  raw(): Uint8Array {
    return this.#message.subarray(this.#start, this.#end);
  }

  #expect(wire: number): void {
    if (this.#wire !== wire)
      throw new MalformedError(`its field ${this.number} has wire type ${this.#wire} instead of ${wire}`);
  }

  /** Tags have 32 bits; lengths, 31, which is also the largest message. */
  #smallVarint(max: number): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#message[this.#end++];
      if (byte === undefined) throw new MalformedError('it ends in the middle of a field');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > max) break;
        return value;
      }
    }
    throw new MalformedError('it claims a length of more than 2 GB');
  }

  #skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      const byte = this.#message[this.#end++];
      if (byte === undefined) throw new MalformedError('it ends in the middle of a field');
      if (byte < 0x80) return;
    }
    throw new MalformedError('it has a number that does not end');
  }
}

function readVarint(message: Uint8Array, start: number, end: number): bigint {
  let value = 0n;
  for (let at = end - 1; at >= start; at--) value = (value << 7n) | BigInt((message[at] as number) & 0x7f);
  return BigInt.asIntN(64, value);
}

/** An encoded piece: fields, or pieces of them, one behind the other. */
export type Piece = Uint8Array;

export function concat(pieces: readonly Piece[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export function intField(number: number, value: number | bigint): Piece {
  return Uint8Array.from([...varint(BigInt(number * 8 + VARINT)), ...varint(BigInt(value))]);
}

export function bytesField(number: number, ...content: readonly Piece[]): Piece {
  let length = 0;
  for (const piece of content) length += piece.length;
  return concat([
    Uint8Array.from([...varint(BigInt(number * 8 + BYTES)), ...varint(BigInt(length))]),
    ...content,
  ]);
}

export function textField(number: number, text: string): Piece {
  return bytesField(number, encoder.encode(text));
}

export function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}
