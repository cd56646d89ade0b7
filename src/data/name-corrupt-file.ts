import duckdb, { type Connection } from '@duckdb/node-bindings';
import type { Failure } from '../core/errors.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { ShardSegment } from './engine.ts';
import { type Scan, scanSql } from './scan-sql.ts';

/**
 * DuckDB does not always say which of several files it cannot decode. If `failure` is such a case, the same scan is run
 * over one segment after the other, and the failure of the first one that fails too is returned; else `failure` itself.
 */
export async function nameCorruptFile(
  failure: Failure,
  connection: Connection,
  segments: readonly ShardSegment[],
  scan: Scan,
): Promise<Failure> {
  if (failure.code !== 'SOURCE_CORRUPT' || failure.place.file !== undefined) return failure;
  const values = ['off', ...scan.expressions.map(({ as }) => as)].join(', ');
  for (const segment of segments) {
    try {
      await duckdb.query(connection, `SELECT max(hash(${values})) FROM (${scanSql([segment], scan)})`);
    } catch (error) {
      const named = duckdbFailure(error, { reads: [segment.path] });
      return named.code === 'SOURCE_CORRUPT' ? named : failure;
    }
  }
  return failure;
}
