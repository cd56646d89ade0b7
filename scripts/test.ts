/**
 * `npm test`: types, lint, dead code, structure, then all tests. Every step runs whatever the one before it said, and
 * the last line counts them all. Exit code 1 when anything failed; with CI=true a skipped test is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkResult, closingLine, type StepResult, testResult } from './test-summary.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'batchwright-test-'));
const report = join(scratch, 'vitest.json');

const results: StepResult[] = ['typecheck', 'lint', 'knip', 'structure'].map((script) => {
  return checkResult(run(script, 'npm', ['run', '--silent', script]));
});
const exitCode = run('tests', 'npx', [
  'vitest',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
]);
results.push(testResult(existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null, exitCode));
rmSync(scratch, { recursive: true });

const closing = closingLine(results, process.env.CI === 'true');
console.log(closing.line);
process.exitCode = closing.failed ? 1 : 0;

function run(name: string, command: string, args: readonly string[]): number | null {
  console.log(`> ${name}`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error !== undefined) console.error(error.message);
  if (status !== 0) console.log(`> ${name} failed`);
  return status;
}
