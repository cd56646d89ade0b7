import duckdb from '@duckdb/node-bindings';
import { rangeRows } from '../core/snapshot.ts';
import { convertRows } from './convert-rows.ts';
import { csvHead, findDuplicate, writeEmptyTable } from './dataset-queries.ts';
import { describeFiles } from './describe.ts';
import { type DuckdbSettings, openDatabase } from './duckdb.ts';
import type { DataEngine, ShardRequest } from './engine.ts';
import { decideTypes } from './late-types.ts';
import { type Bridge, createBridge } from './native-bridge.ts';
import { firstMalformed, missingRows, retryRows } from './retry-rows.ts';
import { openShardReader } from './shard-reader.ts';
import { transcode } from './text/transcode.ts';
import { writeText } from './write-text.ts';

/** Shards that may be open at once: one being scored, one being written, and room. */
const MAX_OPEN_SHARDS = 4;

/**
 * The data engine over DuckDB, in this process. It can read and write below `allowed` only (see `openDatabase`).
 *
 * `openShard` throws when four shards are open already.
 */
export async function createDataEngine(settings: DuckdbSettings): Promise<DataEngine> {
  const { database, connections } = await openDatabase(settings, 1 + MAX_OPEN_SHARDS);
  const [describing, ...scanning] = connections;
  if (describing === undefined) throw new Error('no connection');
  const bridges = scanning.map(createBridge);
  const free: Bridge[] = [...bridges];
  const waiting: ((bridge: Bridge) => void)[] = [];
  const giveBack = (bridge: Bridge) => {
    const next = waiting.shift();
    if (next === undefined) free.push(bridge);
    else next(bridge);
  };
  const freeBridge = async () =>
    free.pop() ?? (await new Promise<Bridge>((resolve) => waiting.push(resolve)));
  return {
    describe: (paths, signal) => describeFiles(describing, paths, signal),
    findDuplicate: (paths, column) => findDuplicate(describing, paths, column),
    writeEmptyTable: (path, columns) => writeEmptyTable(describing, path, columns),
    retryRows: (request) => retryRows(describing, request),
    missingRows: (request) => missingRows(describing, request),
    firstMalformed: (path) => firstMalformed(describing, path),
    csvHead: (path) => csvHead(describing, path),
    writeText: (request) => writeText(describing, request),
    async transcode(request, signal) {
      const bridge = await freeBridge();
      try {
        return await transcode(bridge.connection, request, signal);
      } finally {
        giveBack(bridge);
      }
    },
    decideTypes: async (paths, columns) =>
      columns.length === 0 ? new Map() : await decideTypes(describing, paths, columns),
    async convertRows(request, signal) {
      const bridge = await freeBridge();
      try {
        return await convertRows(bridge.connection, request, signal);
      } finally {
        giveBack(bridge);
      }
    },
    async openShard(request) {
      requireTiling(request);
      const bridge = free.pop();
      if (bridge === undefined) throw new Error(`${MAX_OPEN_SHARDS} shards are open already`);
      try {
        return openShardReader(request, bridge, () => giveBack(bridge));
      } catch (error) {
        giveBack(bridge);
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) duckdb.disconnect_sync(connection);
      duckdb.close_sync(database);
    },
  };
}

function requireTiling({ range, segments }: ShardRequest): void {
  let row = range.start;
  for (const { fileOffset, start, end } of segments) {
    if (fileOffset + start !== row || end <= start) throw new Error('segments do not tile the range');
    row = fileOffset + end;
  }
  if (row !== range.end) throw new Error('segments do not tile the range');
  if (rangeRows(range) >= 2 ** 31) throw new Error('a shard has at most 2^31 - 1 rows');
}
