import duckdb, {
  type Connection,
  type DataChunk,
  type LogicalType,
  type Vector,
} from '@duckdb/node-bindings';
import type { ElementType } from '../core/columns.ts';

/**
 * The two places where rows cross between DuckDB and JavaScript; both are functions of ours that DuckDB calls from its
 * thread and that run on the thread of JavaScript.
 *
 * - `batchwright_sink_<n>(values...)` gets the chunks of a scan. Fetching a result instead hands out chunks that live
 *   until the garbage collector finds them: 5 M rows of 20 floats cost 1.25 s of CPU fetched, 0.85 s through the sink
 *   (0.6 s of it decoding).
 * - `batchwright_feed_<n>()` gives back lists of up to 61,440 values, to be unnested: 0.03 s for 5 M rows of two columns,
 *   where appending to a table takes 0.23 s and a call per 2,048 rows 0.25 s.
 */
export interface Bridge {
  readonly connection: Connection;
  readonly sinkFunction: string;
  readonly feedFunction: string;
  /** Set before a statement with the sink runs. */
  sink: ChunkSink | null;
  /** Set before a statement with the feed is prepared. */
  feed: Feed | null;
  /** What the feed threw; DuckDB's error holds its text only. */
  feedError: unknown;
}

/** Takes a chunk that is valid during the call only; true asks the scan to pause soon (one or two chunks may follow). */
export type ChunkSink = (chunk: DataChunk) => boolean;

/** Rows for DuckDB, in pieces: each column is a list per piece, all of the same length. */
export interface Feed {
  readonly columns: readonly FeedColumn[];
  /** Writes the next piece; 0 when there are no more. */
  next(piece: PieceWriter): number;
}

export interface FeedColumn {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: 'scalar' | 'list';
}

/** Writes one piece of a feed. Columns by index; the piece's length comes first. */
export interface PieceWriter {
  begin(rows: number): void;
  /** Fixed-width values of rows from `at` on. */
  fixed(column: number, at: number, values: ArrayBufferView): void;
  text(column: number, at: number, values: readonly string[]): void;
  /** The offsets (rows + 1 of them, from 0) of a list column; its elements are then written by `fixed` and `text`. */
  lists(column: number, offsets: Uint32Array): void;
}

/** Rows of a chunk, at most. */
export const CHUNK_ROWS = duckdb.vector_size();

const PAUSE = new Uint8Array(CHUNK_ROWS).fill(1);
const GO_ON = new Uint8Array(CHUNK_ROWS);

/** Registers both functions under a number of their own. What they throw fails the statement that called them. */
export function createBridge(connection: Connection, number: number): Bridge {
  const bridge: Bridge = {
    connection,
    sinkFunction: `batchwright_sink_${number}`,
    feedFunction: `batchwright_feed_${number}`,
    sink: null,
    feed: null,
    feedError: null,
  };
  registerSink(bridge);
  registerFeed(bridge);
  return bridge;
}

function registerSink(bridge: Bridge): void {
  const { Type } = duckdb;
  const sink = duckdb.create_scalar_function();
  duckdb.scalar_function_set_name(sink, bridge.sinkFunction);
  duckdb.scalar_function_set_varargs(sink, duckdb.create_logical_type(Type.ANY));
  duckdb.scalar_function_set_return_type(sink, duckdb.create_logical_type(Type.BOOLEAN));
  duckdb.scalar_function_set_volatile(sink);
  duckdb.scalar_function_set_special_handling(sink);
  duckdb.scalar_function_set_function(sink, (info, chunk, output) => {
    try {
      if (bridge.sink === null) throw new Error('no scan is open');
      const answer = bridge.sink(chunk) ? PAUSE : GO_ON;
      duckdb.copy_data_to_vector(output, 0, answer.buffer, 0, duckdb.data_chunk_get_size(chunk));
    } catch (error) {
      duckdb.scalar_function_set_error(info, String(error));
    }
  });
  duckdb.register_scalar_function(bridge.connection, sink);
}

function registerFeed(bridge: Bridge): void {
  const feed = duckdb.create_table_function();
  duckdb.table_function_set_name(feed, bridge.feedFunction);
  duckdb.table_function_set_bind(feed, (info) => {
    for (const { name, type, shape } of bridge.feed?.columns ?? []) {
      duckdb.bind_add_result_column(
        info,
        name,
        listOf(shape === 'list' ? listOf(logicalType(type)) : logicalType(type)),
      );
    }
  });
  duckdb.table_function_set_init(feed, (info) => duckdb.init_set_max_threads(info, 1));
  duckdb.table_function_set_function(feed, (info, output) => {
    try {
      if (bridge.feed === null) throw new Error('no feed is open');
      const rows = bridge.feed.next(pieceWriter(bridge.feed.columns, output));
      duckdb.data_chunk_set_size(output, rows === 0 ? 0 : 1);
    } catch (error) {
      bridge.feedError = error;
      duckdb.function_set_error(info, String(error));
    }
  });
  duckdb.register_table_function(bridge.connection, feed);
}

function pieceWriter(columns: readonly FeedColumn[], output: DataChunk): PieceWriter {
  // Where a column's elements go; list columns have one more level.
  const targets: Vector[] = [];
  return {
    begin(rows) {
      for (const index of columns.keys())
        targets[index] = oneList(duckdb.data_chunk_get_vector(output, index), rows);
    },
    fixed(column, at, values) {
      const width = values.byteLength / (values as Uint8Array).length;
      duckdb.copy_data_to_vector(
        targets[column] as Vector,
        at * width,
        values.buffer as ArrayBuffer,
        values.byteOffset,
        values.byteLength,
      );
    },
    text(column, at, values) {
      const target = targets[column] as Vector;
      for (const [index, value] of values.entries())
        duckdb.vector_assign_string_element(target, at + index, value);
    },
    lists(column, offsets) {
      const lists = targets[column] as Vector;
      const rows = offsets.length - 1;
      // Entries are two 64-bit numbers, offset and length; little-endian on every platform DuckDB is built for.
      const entries = new Uint32Array(rows * 4);
      for (let row = 0; row < rows; row += 1) {
        entries[row * 4] = offsets[row] as number;
        entries[row * 4 + 2] = (offsets[row + 1] as number) - (offsets[row] as number);
      }
      const elements = offsets[rows] as number;
      duckdb.list_vector_reserve(lists, elements);
      duckdb.list_vector_set_size(lists, elements);
      duckdb.copy_data_to_vector(lists, 0, entries.buffer, 0, entries.byteLength);
      targets[column] = duckdb.list_vector_get_child(lists);
    },
  };
}

/** Makes the vector's first row a list of so many elements, and returns the vector of its elements. */
function oneList(vector: Vector, elements: number): Vector {
  duckdb.list_vector_reserve(vector, elements);
  duckdb.list_vector_set_size(vector, elements);
  const entry = new Uint32Array([0, 0, elements, 0]);
  duckdb.copy_data_to_vector(vector, 0, entry.buffer, 0, entry.byteLength);
  return duckdb.list_vector_get_child(vector);
}

function listOf(type: LogicalType): LogicalType {
  return duckdb.create_list_type(type);
}

function logicalType(type: ElementType): LogicalType {
  const { Type } = duckdb;
  const ids: Readonly<Record<ElementType, number>> = {
    float16: Type.FLOAT,
    float32: Type.FLOAT,
    float64: Type.DOUBLE,
    int8: Type.TINYINT,
    int16: Type.SMALLINT,
    int32: Type.INTEGER,
    int64: Type.BIGINT,
    uint8: Type.UTINYINT,
    uint16: Type.USMALLINT,
    uint32: Type.UINTEGER,
    uint64: Type.UBIGINT,
    bool: Type.BOOLEAN,
    string: Type.VARCHAR,
  };
  return duckdb.create_logical_type(ids[type]);
}
