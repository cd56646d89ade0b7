import type { ColumnFacts } from './column-facts.ts';

export interface ScannedText {
  /** All of the file's, malformed ones too. */
  readonly records: number;
  readonly malformed: number;
  readonly columns: readonly ColumnFacts[];
  readonly longestRecordBytes: number;
  /** False: another reader needs a copy in plain form (blank lines, mixed line ends, lists of several kinds ...). */
  readonly isRegular: boolean;
  /** Of records, if the file is regular. */
  readonly lineEnd: '\n' | '\r\n';
  /** A record takes several lines. */
  readonly hasLineEndsInFields: boolean;
}

/** A scanner of one file: bytes in any pieces, the last of them `final`. */
export interface TextScanner {
  push(chunk: Buffer, final: boolean): void;
  /** So far. */
  scanned(): ScannedText;
}
