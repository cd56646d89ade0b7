import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { pinBench } from '../src/sources/files/pin-fixture.ts';
import { type PythonEnvironment, pythonEnvironment } from './python-environment.ts';
import { pinCsv, scanCsv } from './support/csv-by-pin.ts';
import { disagreement, mutants, type PythonRecords, readByPython } from './support/csv-by-python.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const CORPUS = join(import.meta.dirname, 'corpus');
const MUTATED = 20_000;
/** Of these, so many go through the whole of pin: DuckDB, Parquet and back. `npm run differential` takes all. */
const PINNED = 2_000;
const SEED = 20_251_121;

let environment: PythonEnvironment;
beforeAll(async () => {
  environment = await pythonEnvironment('corpus', join(CORPUS, 'requirements.txt'));
});

describe("CSV by our scanner and by Python's csv module", () => {
  test('the same records, or a refusal with its line, in 20,000 mutated files', (context) => {
    if ('missing' in environment) return context.skip(environment.missing);
    const files = mutants(MUTATED, SEED);
    const python = readByPython(environment.python, files);
    expect(python).toHaveLength(files.length);
    const outcomes = { accepted: 0, partly: 0, refused: 0 };
    for (const [at, file] of files.entries()) {
      const ours = scanCsv(file, [1 << 12, 1, 7][at % 3] as number);
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
    const read = (text: string) => disagreement(scanCsv(Buffer.from(text), 100), python);
    expect(read('a,b\n1,2\n3,4\n')).toBeNull();
    expect(read('a,b\n1,2\n')).toMatch(/Python has 2/);
    expect(read('a,b\n3,4\n1,2\n')).toMatch(/record 0 is/);
    expect(read('a,b\n1,"2\n3"\n3,4\n')).toMatch(/record 0 is/);
    expect(read('a,b\n1,2\n3\n')).toBeNull();
    expect(read('a,b\n1,2\n3,4\n5,6\n')).toMatch(/record 2 is/);
  });
});

test('what is pinned is what was scanned: DuckDB and Parquet change nothing of 2,000 mutated files, alone or together', async () => {
  await using bench = await pinBench();
  const files = mutants(PINNED, SEED);
  let accepted = 0;
  for (const [at, pinned] of (await pinCsv(files, bench)).entries()) {
    const scanned = scanCsv(files[at] as Buffer, 1 << 12);
    const shown = `file ${at}, ${JSON.stringify(files[at]?.toString())}`;
    if ('refused' in scanned) expect('refused' in pinned, shown).toBe(true);
    else expect(pinned, shown).toEqual(scanned);
    if (!('refused' in pinned)) accepted += 1;
  }
  expect(accepted).toBeGreaterThan(PINNED * 0.3);
});
