import { type ErrorPlace, Failure } from '../core/errors.ts';

/** What a statement was doing when DuckDB refused it: who is to blame for a missing or broken file depends on it. */
export interface StatementPlace {
  /** Input files that the statement reads. */
  readonly reads: readonly string[];
  /** File that it writes. */
  readonly writes?: string;
}

/**
 * Turns an error of DuckDB into a Failure; the only place that looks at DuckDB's messages.
 *
 * OUT_OF_MEMORY, DISK_FULL, SOURCE_NOT_FOUND, SOURCE_UNREADABLE, SOURCE_CORRUPT, SPEC_INVALID (a condition that cannot be
 * computed for some row), else STORAGE_FAILED. A Failure that travelled through DuckDB comes out as it went in.
 */
export function duckdbFailure(error: unknown, place: StatementPlace): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split('\n', 1)[0] ?? message;
  const file =
    place.reads.find((path) => message.includes(path)) ??
    (place.reads.length === 1 ? place.reads[0] : undefined);
  const about: ErrorPlace = file === undefined ? {} : { file };
  const named = file === undefined ? 'An input file' : `Input file ${file}`;
  const of = (code: Failure['code'], sentence: string, where: ErrorPlace = about) =>
    new Failure(code, sentence, { place: where, cause: error });

  if (/No space left on device|disk quota exceeded|max_temp_directory_size/i.test(message)) {
    return of(
      'DISK_FULL',
      `The disk is full: ${line}`,
      place.writes === undefined ? {} : { file: place.writes },
    );
  }
  if (/^Out of Memory Error|bad_alloc|bad allocation/i.test(message)) {
    return of('OUT_OF_MEMORY', `The data engine ran out of memory: ${line}`, {});
  }
  if (place.writes !== undefined && message.includes(place.writes)) {
    return of('STORAGE_FAILED', `Writing ${place.writes} failed: ${line}`, { file: place.writes });
  }
  if (/No files found that match|No such file or directory/i.test(message)) {
    return of('SOURCE_NOT_FOUND', `${named} does not exist.`);
  }
  if (/Permission denied|^Permission Error/i.test(message)) {
    return of('SOURCE_UNREADABLE', `${named} may not be read: ${line}`);
  }
  if (/^(Conversion|Out of Range) Error/.test(message)) {
    return of('SPEC_INVALID', `input.where cannot be computed for a row: ${line}`, {
      ...about,
      field: 'input.where',
    });
  }
  if (CORRUPT.test(message)) return of('SOURCE_CORRUPT', `${named} is not well-formed Parquet: ${line}`);
  return of('STORAGE_FAILED', `The data engine failed: ${line}`);
}

/** What DuckDB's Parquet reader says of bytes that it cannot make sense of. */
const CORRUPT =
  /parquet|thrift|TProtocol|magic bytes|footer|Invalid string encoding|decompress|snappy|zstd|gzip|brotli|lz4|Failed to read|too small|out of buffer|corrupt|page|Could not read (enough|all) bytes|Invalid (Input )?Error|Internal Error|don't know what to do|dictionary/i;
