import { fileURLToPath } from 'node:url';
import type { Program } from '../compute/local/spawn-child.ts';

/** How to start this program again: with the same Node, from source or compiled, whichever this is. */
export function thisProgram(): Program {
  const entry = import.meta.url.endsWith('.ts') ? './main.ts' : './main.js';
  return {
    execPath: process.execPath,
    args: [...process.execArgv, fileURLToPath(new URL(entry, import.meta.url))],
  };
}
