import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/core/errors.ts';
import { CsvScanner } from '../../src/data/text/csv-scanner.ts';
import { CollectRecords } from '../../src/sources/files/collect-records.ts';
import type { PinBench, PinnedText } from '../../src/sources/files/pin-fixture.ts';
import type { OurRecords } from './csv-by-python.ts';

const DIALECT = { delimiter: ',', quote: '"', header: true, nulls: [], decimal: '.' } as const;
/** Of files that are pinned as one input. */
const MOST_FILES = 1_000;

export function refusal(error: unknown): OurRecords {
  if (!(error instanceof Failure) || !/^(SOURCE_CORRUPT|COLUMN_AMBIGUOUS)$/.test(error.code)) throw error;
  return { refused: { line: error.place.line !== undefined, message: error.message } };
}

/** As pin scans a file, given to it in pieces of this size. */
export function scanCsv(file: Buffer, piece: number): OurRecords {
  const found = new CollectRecords();
  const scanner = new CsvScanner('f.csv', DIALECT, new Map(), found);
  try {
    // As files are read: what was handed out is overwritten.
    const buffer = Buffer.alloc(piece);
    for (let at = 0; at < file.length; at += piece)
      scanner.push(buffer.subarray(0, file.copy(buffer, 0, at, at + piece)), false);
    scanner.push(Buffer.alloc(0), true);
  } catch (error) {
    return refusal(error);
  }
  const { columns, records, malformed } = scanner.scanned();
  if (records !== found.order.length || malformed !== found.malformedRecords.length)
    throw new Error(`${records} records were counted, ${found.order.length} found`);
  return {
    names: columns.map(({ name }) => name),
    records: found.records,
    lines: found.malformedRecords.map(({ line }) => line),
    order: found.order,
  };
}

/**
 * What pin makes of each file: through our scanner, DuckDB and Parquet, and back. Files with the same columns are pinned as
 * one input, as users have them: so they share Parquet files; those that are refused, alone.
 */
export async function pinCsv(files: readonly Buffer[], bench: PinBench): Promise<OurRecords[]> {
  mkdirSync(bench.folder, { recursive: true });
  const inputs = new Map<string, { readonly names: readonly string[]; readonly files: number[] }>();
  for (const [at, file] of files.entries()) {
    writeFileSync(pathOf(bench, at), file);
    const scanned = scanCsv(file, 1 << 12);
    const names = 'refused' in scanned ? [] : scanned.names;
    const key = 'refused' in scanned ? `refused ${at}` : JSON.stringify([...names].sort());
    const input = inputs.get(key);
    if (input === undefined) inputs.set(key, { names, files: [at] });
    else input.files.push(at);
  }
  const results: OurRecords[] = [];
  for (const { names, files: alike } of inputs.values()) {
    for (let from = 0; from < alike.length; from += MOST_FILES) {
      const some = alike.slice(from, from + MOST_FILES);
      // All columns as texts: what is read must be what is there.
      const types = Object.fromEntries(names.map((name) => [name, 'VARCHAR']));
      const path = some.map((at) => pathOf(bench, at));
      try {
        const pinned = await bench.pin({ source: 'csv', path, null: [], types });
        for (const [at, records] of byFile(pinned, some, files)) results[at] = records;
      } catch (error) {
        if (some.length > 1) throw error;
        results[some[0] as number] = refusal(error);
      }
    }
  }
  return results;
}

function pathOf(bench: PinBench, at: number): string {
  return join(bench.folder, `${String(at).padStart(6, '0')}.csv`);
}

function byFile(
  { snapshot, rows }: PinnedText,
  numbers: readonly number[],
  files: readonly Buffer[],
): [number, OurRecords][] {
  let next = 0;
  return snapshot.files.map((file, index) => {
    const own = rows.slice(next, next + file.rows);
    next += file.rows;
    const at = numbers[index] as number;
    // Their order may differ from that of the first file, which is the table's.
    const scanned = scanCsv(files[at] as Buffer, 1 << 12);
    const names = 'refused' in scanned ? [] : scanned.names;
    const lineOf = (row: Record<string, unknown>) => (row._batchwright_line ?? null) as number | null;
    return [
      at,
      {
        names,
        records: own
          .filter((row) => lineOf(row) === null)
          .map((row) => names.map((name) => row[name] as string | null)),
        lines: own.flatMap((row) => lineOf(row) ?? []),
        order: own.map((row) => (lineOf(row) === null ? 'record' : 'malformed')),
      },
    ];
  });
}
