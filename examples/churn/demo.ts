/**
 * `npm run demo`: 500,000 generated customers are scored, shown and verified. What examples/churn/data holds already is
 * used as it is. Exit code: that of the first step that fails.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { generateCustomers } from './generate.ts';

const ROWS = 500_000;
const folder = import.meta.dirname;
const data = join(folder, 'data');
const scores = join(folder, 'scores');
const root = join(folder, '../..');

if (existsSync(data)) {
  console.log(`Customers are there already: ${relative(root, data)}\n`);
} else {
  console.log(`Generating ${ROWS.toLocaleString('en')} customers: ${relative(root, data)}\n`);
  await generateCustomers({ rows: ROWS, seed: 7, folder: data });
}

batchwright('run', join(folder, 'job.yaml'));
console.log('\nThe five customers most likely to leave:\n');
await show(
  `SELECT customer_id, contract, monthly_charges, city, strftime(signed_up_at, '%Y-%m-%d') AS signed_up, p_churn
   FROM read_parquet('${sqlText(scores)}/*.parquet') ORDER BY p_churn DESC, customer_id LIMIT 5`,
);
console.log();
batchwright('verify', scores);
console.log(`
What to try next:
  Ctrl-C or kill -9 the demo half-way, then run it again: it goes on where it was
  change a byte of a file in ${relative(root, scores)}, then: npm run batchwright -- verify ${relative(root, scores)}
  write your own job beside ${relative(root, join(folder, 'job.yaml'))}: docs/job-specification.md has all keys`);

/** Runs our command in the repository's root; where it fails, so does the demo. */
function batchwright(...args: readonly string[]): void {
  const shown = args.map((arg) => relative(root, arg) || arg);
  console.log(`$ batchwright ${[args[0], ...shown.slice(1)].join(' ')}`);
  const { status, signal } = spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) {
    if (signal !== null) console.error(`batchwright ended by ${signal}`);
    process.exit(status ?? 1);
  }
}

/** Prints the result of a query as a small table. */
async function show(sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(sql);
  const table = [reader.columnNames(), ...reader.getRows().map((row) => row.map(String))];
  const widths = reader
    .columnNames()
    .map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
  connection.closeSync();
  instance.closeSync();
}

function sqlText(path: string): string {
  return path.replaceAll("'", "''");
}
