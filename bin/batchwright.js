#!/usr/bin/env node
// What the package's command starts. Written so that every Node.js since version 13 can parse and run it: an old one is
// told what it lacks in one line, before it would trip over the syntax or a native module of the program itself.
const [major] = process.versions.node.split('.').map(Number);

if (major < 24) {
  console.error(`batchwright needs Node.js 24 or newer; this is ${process.versions.node} (${process.execPath}).`);
  process.exitCode = 2;
} else {
  await import('../dist/cli/main.js');
}
