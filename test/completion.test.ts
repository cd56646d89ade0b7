import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemRandom } from '../src/cli/system-ports.ts';
import { runningJob } from '../src/state/ledger/ledger-fixture-conformance.ts';
import { openLedger } from '../src/state/sqlite/open-ledger.ts';
import { runCli } from './support/cli.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-completion-'));
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const scripts: Record<string, string> = {};

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runCli(['completion', shell], home);
    expect(code).toBe(0);
    scripts[shell] = stdout;
    writeFileSync(join(home, `completion.${shell}`), stdout);
  }
  // The command under its name, as it is installed.
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin/batchwright'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, {
    mode: 0o755,
  });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const env = { ...process.env, PATH: `${home}/bin:${process.env.PATH}` };

/** What bash offers for the last word of a command line. */
function offered(...words: string[]): string[] {
  const program = `source '${home}/completion.bash'
    COMP_WORDS=(batchwright "$@"); COMP_CWORD=$#; _batchwright; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const answer = execFileSync('bash', ['-c', program, 'bash', ...words], {
    cwd: home,
    env,
    encoding: 'utf8',
  });
  return answer.split('\n').filter((line) => line !== '');
}

test('bash offers commands, options, choices, codes and topics of help', () => {
  expect(offered('re')).toEqual(['resume', 'retry', 'results', 'rejects']);
  expect(offered('run', '--error')).toEqual(['--error-budget']);
  expect(offered('run', '--mode', '')).toEqual(['error', 'overwrite', 'append']);
  expect(offered('rejects', '--code', 'NULL_')).toEqual(['NULL_FEATURE', 'NULL_KEY']);
  expect(offered('jobs', '--status', 'f')).toEqual(['failed']);
  expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(offered('help', 'ver')).toEqual(['verify']);
  // File names are bash's own: nothing is offered in their place.
  expect(offered('run', '')).toEqual([]);
  expect(offered('run', '--model', '')).toEqual([]);
});

test('bash offers the ids of jobs, and nothing bad happens where there are none', async () => {
  expect(offered('show', 'job')).toEqual([]);
  mkdirSync(join(home, '.batchwright'));
  const ledger = await openLedger({ folder: join(home, '.batchwright'), random: systemRandom });
  const output = { path: '/out', mode: 'error' };
  await runningJob(ledger, [10], { spec: { spec: { output }, adopt: false } });
  const [job] = await ledger.openJobs();
  await ledger[Symbol.asyncDispose]();
  expect(offered('show', '').toSorted()).toEqual([job?.jobId, 'latest'].toSorted());
});

/** How each shell says what it thinks of its script. */
const CHECKS: readonly (readonly [shell: string, args: readonly string[]])[] = [
  ['zsh', ['-f', '-c', `compdef() { :; }; source '${home}/completion.zsh'`]],
  ['fish', ['-N', '-c', `source '${home}/completion.fish'`]],
];

test.each(CHECKS)(
  'the script for %s is taken without complaint, where that shell is installed',
  (shell, args) => {
    expect(scripts[shell]).toContain('results');
    const { status, stderr, error } = spawnSync(shell, args, { cwd: home, env, encoding: 'utf8' });
    if (error === undefined) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
);
