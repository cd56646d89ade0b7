import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for the data engine's spill files, made at once, removed at the end (or by the system, after a kill). */
export function scratchFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'batchwright-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
