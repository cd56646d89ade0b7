import duckdb, { type DataChunk } from '@duckdb/node-bindings';
import type { ChunkColumn, ChunkLists } from './batch-queue.ts';

/** The lists of a LIST vector of fixed-width elements, `width` bytes each; of a null row, anything. Views, valid as long as the chunk is. */
export function readLists(chunk: DataChunk, column: number, rows: number, width: number): ChunkLists {
  const vector = duckdb.data_chunk_get_vector(chunk, column);
  const entries = duckdb.vector_get_data(vector, rows * 16);
  const elements = duckdb.list_vector_get_size(vector);
  return {
    bytes: duckdb.vector_get_data(duckdb.list_vector_get_child(vector), elements * width),
    entries: new Uint32Array(entries.buffer, entries.byteOffset, rows * 4),
  };
}

/** Ends the life of views of a chunk, so that they are not counted as memory until the garbage collector finds them. */
export function releaseViews(column: ChunkColumn): void {
  if (column instanceof Uint8Array) release(column);
  else if (!Array.isArray(column)) {
    const { bytes, entries } = column as ChunkLists;
    release(bytes);
    release(entries);
  }
}

function release({ buffer }: ArrayBufferView): void {
  (buffer as ArrayBuffer).transfer(0);
}
