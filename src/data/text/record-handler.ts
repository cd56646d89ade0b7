/**
 * What a scanner of CSV or JSON Lines tells about the records of a file, in their order. Views are valid during the call.
 */
export interface RecordHandler {
  /** A well-formed record. */
  record(fields: RecordFields): void;
  /** A record that is not: one line of the file. */
  malformed(record: MalformedRecord): void;
}

/** Fields of a record, by column. */
export interface RecordFields {
  readonly bytes: Buffer;
  /** The whole record is bytes [start, end), without its line end. */
  readonly start: number;
  readonly end: number;
  /** Field `column` is bytes [starts[column], ends[column]); for JSON the whole value, for CSV without its quotes. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Class of each field (core/field-class.ts). */
  readonly classes: Int32Array;
  /** How to read the bytes. */
  readonly forms: Uint8Array;
  readonly columns: number;
}

/** Bytes as they are. */
export const PLAIN_FIELD = 0;
/** CSV: quotes inside are doubled. */
export const DOUBLED_QUOTES = 1;
/** JSON: a text with its quotes and escapes. */
export const JSON_STRING = 2;

export interface MalformedRecord {
  /** 1-based, in the file. */
  readonly line: number;
  /** Completes "line 7 ...". */
  readonly problem: string;
  /** The beginning of the line. */
  readonly text: string;
}

/** A longer record cannot be held: it is malformed. */
export const MAX_RECORD_BYTES = 32 * 2 ** 20;
/** What is wrong with one. */
export const TOO_LONG = 'is longer than 32 MiB';
/** What is kept of a malformed record, in bytes. */
export const MAX_RAW_BYTES = 10_000;

/** The beginning of a malformed record as text that any reader takes. */
export function rawText(bytes: Buffer): string {
  return bytes.toString('utf8', 0, Math.min(bytes.length, MAX_RAW_BYTES)).replaceAll('\0', '\u2400');
}
