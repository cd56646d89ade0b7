/**
 * Whole pins of mutated CSV files against Python's csv module: `npm run differential -- --files 20000 --seed 7`.
 *
 * Every file goes through our scanner, DuckDB and Parquet, hundreds of them as one input, and is read back. Each record must
 * be Python's, in its place; what Python has beside them must be malformed to us on the same line; or the file is refused
 * with a line. So nothing is merged, dropped or shifted. Ends with a histogram, or with the first file that is read otherwise.
 */
import { parseArgs } from 'node:util';
import { pinBench } from '../src/sources/files/pin-fixture.ts';
import { pinCsv } from '../test/support/csv-by-pin.ts';
import { disagreement, mutants, type PythonRecords, readByPython } from '../test/support/csv-by-python.ts';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '20251122' },
    python: { type: 'string', default: 'python3' },
  },
});
/** Files on disk, and Parquet files of theirs, at a time. */
const AT_ONCE = 2_500;

const files = mutants(Number(options.files), Number(options.seed));
const outcomes = { equal: 0, 'equal beside malformed lines': 0, 'refused with its line': 0 };
const begun = performance.now();
for (let from = 0; from < files.length; from += AT_ONCE) {
  await using bench = await pinBench(2);
  const some = files.slice(from, from + AT_ONCE);
  const python = readByPython(options.python, some);
  const pinned = await pinCsv(some, bench);
  for (const [at, ours] of pinned.entries()) {
    const wrong = disagreement(ours, python[at] as PythonRecords);
    if (wrong !== null) {
      console.error(`file ${from + at}, ${JSON.stringify((some[at] as Buffer).toString())}: ${wrong}`);
      process.exit(1);
    }
    if ('refused' in ours) outcomes['refused with its line'] += 1;
    else outcomes[ours.lines.length > 0 ? 'equal beside malformed lines' : 'equal'] += 1;
  }
  console.log(`${from + some.length} files, ${((performance.now() - begun) / 1_000).toFixed(0)} s`);
}
console.table(outcomes);
