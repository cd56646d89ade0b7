#!/usr/bin/env node
// What the package's command starts. Written so that every Node.js since version 13 can parse and run it: an old one is
// told what it lacks in one line, before it would trip over the syntax or a native module of the program itself.
// In a clone of the repository it runs the sources, with the Node.js that `npm ci` has brought.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const [major] = process.versions.node.split('.').map(Number);
const brought = at('../node_modules/node/bin/node');

if (major >= 24) {
  await import(existsSync(at('../src/cli/main.ts')) ? '../src/cli/main.ts' : '../dist/cli/main.js');
} else if (existsSync(brought)) {
  const child = spawn(brought, process.argv.slice(1), { stdio: 'inherit' });
  // A terminal interrupts both: one is enough to end the job, a second one would end it at once.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 1;
  });
} else {
  console.error(
    `batchwright needs Node.js 24 or newer; this is ${process.versions.node} (${process.execPath}). \`npm install node@24\` in this folder brings one.`,
  );
  process.exitCode = 2;
}
