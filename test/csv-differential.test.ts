import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Failure } from '../src/core/errors.ts';
import { CsvScanner } from '../src/data/text/csv-scanner.ts';
import { CollectRecords } from '../src/sources/files/collect-records.ts';
import { pinBench } from '../src/sources/files/pin-fixture.ts';
import { CSV_ALPHABET, CSV_SEEDS } from './corpus/csv-seeds.ts';
import { type PythonEnvironment, pythonEnvironment } from './python-environment.ts';
import { mutate, seeded } from './support/mutate.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const CORPUS = join(import.meta.dirname, 'corpus');
const MUTATED = 20_000;
/** Of these, so many go through the whole of pin: DuckDB, Parquet and back. */
const PINNED = 1_000;
const DIALECT = { delimiter: ',', quote: '"', header: true, nulls: [], decimal: '.' } as const;

/** By Python: where each record begins, and its fields; null where it refuses. */
type PythonRecords = readonly (readonly [line: number, fields: readonly string[] | null])[];

let environment: PythonEnvironment;
beforeAll(async () => {
  environment = await pythonEnvironment('corpus', join(CORPUS, 'requirements.txt'));
});

function readByPython(python: string, files: readonly Buffer[]): PythonRecords[] {
  const output = execFileSync(python, ['-B', join(CORPUS, 'read_csv.py')], {
    input: files.map((file) => `${JSON.stringify(file.toString('base64'))}\n`).join(''),
    maxBuffer: 2 ** 30,
  });
  return output
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as PythonRecords);
}

type Ours =
  | { readonly refused: Failure }
  | { readonly names: readonly string[]; readonly found: CollectRecords; readonly lines: readonly number[] };

/** As pin reads it, in pieces of every size. */
function scan(file: Buffer, piece: number): Ours {
  const found = new CollectRecords();
  const scanner = new CsvScanner('f.csv', DIALECT, new Map(), found);
  try {
    // As files are read: what was handed out is overwritten.
    const buffer = Buffer.alloc(piece);
    for (let at = 0; at < file.length; at += piece)
      scanner.push(buffer.subarray(0, file.copy(buffer, 0, at, at + piece)), false);
    scanner.push(Buffer.alloc(0), true);
  } catch (error) {
    if (error instanceof Failure) return { refused: error };
    throw error;
  }
  const { columns, records, malformed } = scanner.scanned();
  expect([records, malformed]).toEqual([found.order.length, found.malformedRecords.length]);
  return {
    names: columns.map(({ name }) => name),
    found,
    lines: found.malformedRecords.map(({ line }) => line),
  };
}

/**
 * Null if both readers agree: every record of ours is Python's, in its place, and what Python has beside them is malformed
 * to us, on the same line. Else what is wrong.
 */
function disagreement(ours: Ours, python: PythonRecords): string | null {
  if ('refused' in ours) {
    const { code, place } = ours.refused;
    return /^(SOURCE_CORRUPT|COLUMN_AMBIGUOUS)$/.test(code) &&
      (place.line !== undefined || python.length === 0)
      ? null
      : `refused without a line: ${ours.refused.message}`;
  }
  const { names, found, lines } = ours;
  const [header, ...rest] = python;
  if (JSON.stringify(header?.[1]) !== JSON.stringify(names)) return `other names: ${JSON.stringify(header)}`;
  // An empty line is a record in a file of one column only.
  const isSingle = names.length === 1;
  const theirs = rest.filter(([line]) => !lines.includes(line));
  let next = 0;
  for (const fields of found.records) {
    if (isSingle && fields[0] === '' && theirs[next]?.[1]?.[0] !== '') continue;
    const [line, expected] = theirs[next] ?? [0, null];
    if (JSON.stringify(expected) !== JSON.stringify(fields)) {
      return `record ${next} is ${JSON.stringify(fields)}, by Python ${JSON.stringify(expected)} (line ${line})`;
    }
    next += 1;
  }
  return next === theirs.length
    ? null
    : `Python has ${theirs.length} records beside malformed ones, we have ${next}`;
}

function mutants(count: number): Buffer[] {
  const random = seeded(20_251_121);
  const seeds = CSV_SEEDS.map((text) => Buffer.from(text));
  return Array.from({ length: count }, (_, at) =>
    mutate(seeds[at % seeds.length] as Buffer, CSV_ALPHABET, random),
  );
}

describe("CSV by our scanner and by Python's csv module", () => {
  test('the same records, or a refusal with its line, in 20,000 mutated files', (context) => {
    if ('missing' in environment) return context.skip(environment.missing);
    const files = [...CSV_SEEDS.map((text) => Buffer.from(text)), ...mutants(MUTATED)];
    const python = readByPython(environment.python, files);
    expect(python).toHaveLength(files.length);
    const outcomes = { accepted: 0, partly: 0, refused: 0 };
    for (const [at, file] of files.entries()) {
      const ours = scan(file, [1 << 12, 1, 7][at % 3] as number);
      const wrong = disagreement(ours, python[at] as PythonRecords);
      if (wrong !== null) expect.fail(`file ${at}, ${JSON.stringify(file.toString())}: ${wrong}`);
      if ('refused' in ours) outcomes.refused += 1;
      else if (ours.lines.length > 0) outcomes.partly += 1;
      else outcomes.accepted += 1;
    }
    // The comparison is worth something: a good part of the files is read, one with malformed lines too.
    expect(outcomes.accepted).toBeGreaterThan(MUTATED * 0.15);
    expect(outcomes.partly).toBeGreaterThan(MUTATED * 0.15);
    // Whoever never opened a quote is never refused as a whole: only names and empty files are.
    expect(outcomes.refused).toBeLessThan(MUTATED * 0.6);
  });

  test('records merged, dropped or shifted are noticed', () => {
    const python: PythonRecords = [
      [1, ['a', 'b']],
      [2, ['1', '2']],
      [3, ['3', '4']],
    ];
    const read = (text: string) => disagreement(scan(Buffer.from(text), 100), python);
    expect(read('a,b\n1,2\n3,4\n')).toBeNull();
    expect(read('a,b\n1,2\n')).toMatch(/Python has 2/);
    expect(read('a,b\n3,4\n1,2\n')).toMatch(/record 0 is/);
    expect(read('a,b\n1,"2\n3"\n3,4\n')).toMatch(/record 0 is/);
    expect(read('a,b\n1,2\n3\n')).toBeNull();
    expect(read('a,b\n1,2\n3,4\n5,6\n')).toMatch(/record 2 is/);
  });
});

test('what is pinned is what was scanned: DuckDB and Parquet change nothing of 1,000 mutated files', async () => {
  await using bench = await pinBench();
  mkdirSync(bench.folder);
  const outcomes = { accepted: 0, refused: 0 };
  for (const [at, file] of mutants(PINNED).entries()) {
    const path = join(bench.folder, `${at}.csv`);
    writeFileSync(path, file);
    const ours = scan(file, 1 << 12);
    // All columns as texts: what is read must be what is there.
    const types = 'refused' in ours ? {} : Object.fromEntries(ours.names.map((name) => [name, 'VARCHAR']));
    const pinned = await bench
      .pin({ source: 'csv', path: [path], null: [], types })
      .catch((error: unknown) => error);
    const shown = `file ${at}, ${JSON.stringify(file.toString())}`;
    if (pinned instanceof Error) {
      if (!('refused' in ours)) expect.fail(`${shown}: refused by pin only: ${pinned}`);
      outcomes.refused += 1;
      continue;
    }
    if ('refused' in ours) expect.fail(`${shown}: refused by the scanner only`);
    const { rows } = pinned as { rows: Record<string, unknown>[] };
    const records = rows.filter((row) => (row._batchwright_line ?? null) === null);
    expect(
      records.map((row) => ours.names.map((name) => row[name])),
      shown,
    ).toEqual(ours.found.records);
    const malformed = rows.filter((row) => (row._batchwright_line ?? null) !== null);
    expect(
      malformed.map((row) => row._batchwright_line),
      shown,
    ).toEqual(ours.lines);
    expect(
      rows.map((row) => ((row._batchwright_line ?? null) === null ? 'record' : 'malformed')),
      shown,
    ).toEqual(ours.found.order);
    outcomes.accepted += 1;
  }
  expect(outcomes.accepted).toBeGreaterThan(PINNED * 0.3);
});
