import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type DocsStep, missingLine, readDocsPage } from './support/docs-page.ts';
import { documentationPages, ROOT } from './support/documentation-pages.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 300_000 });

const MAIN = join(ROOT, 'src/cli/main.ts');

test.concurrent.each(documentationPages())('%s: its commands do what it says', async (page) => {
  const { steps, problems } = readDocsPage(readFileSync(join(ROOT, page), 'utf8'));
  expect(problems).toEqual([]);
  if (steps.length === 0) return;
  // As a shell shows it: without links on the way.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'batchwright-docs-')));
  try {
    installInto(folder);
    for (const step of steps) await perform(step, page, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What `npm install batchwright` leaves behind, from source: the package's folder, and its command. */
function installInto(folder: string): void {
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(ROOT, join(folder, 'node_modules/batchwright'));
  writeFileSync(
    join(folder, 'node_modules/.bin/batchwright'),
    `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`,
    { mode: 0o755 },
  );
}

async function perform(step: DocsStep, page: string, folder: string): Promise<void> {
  if (step.kind === 'file') {
    mkdirSync(dirname(join(folder, step.name)), { recursive: true });
    writeFileSync(join(folder, step.name), step.content);
    return;
  }
  const { code, stdout, stderr } = await shell(step.script, folder);
  const where = `${page}:${step.line}\n${step.script}\n${stdout}\n${stderr}`;
  expect(code, where).toBe(step.exit);
  const { shows } = step;
  if (shows === null) return;
  const missing = [stdout, stderr, `${stdout}${stderr}`].map((output) => missingLine(shows, output, folder));
  expect(missing, where).toContain(null);
}

async function shell(script: string, folder: string) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `${folder}/node_modules/.bin:${dirname(process.execPath)}:${process.env.PATH}`,
      XDG_CONFIG_HOME: join(folder, '.config'),
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
