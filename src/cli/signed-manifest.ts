import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import type { ManifestFile } from '../core/manifest.ts';
import type { TaskJob } from '../core/wire.ts';
import { signJson } from '../lineage/dsse.ts';
import { keyFolder, openSigningKey } from '../lineage/keys.ts';
import { createStatement } from '../lineage/statement.ts';
import { outputSchema } from '../manager/tasks/output-schema.ts';
import { systemClock } from './system-ports.ts';
import { version } from './version.ts';

/** Gives the manifest of a job's published files, signed with this user's key. */
export function signedManifest(job: TaskJob): (files: readonly ManifestFile[]) => Promise<Uint8Array> {
  return async (files) => {
    const key = openSigningKey(keyFolder(process.env, homedir()));
    if (job.pinned === null) throw new Error('a job is published after it was pinned');
    const statement = createStatement({
      job,
      files,
      columns: outputSchema(job.pinned.snapshot.columns, job.pinned.bound),
      code: { name: 'batchwright', version: version() },
      environment: {
        node: process.versions.node,
        platform: process.platform,
        arch: process.arch,
        runtimes: installedVersions(['onnxruntime-node', '@duckdb/node-api']),
      },
      signer: key.publicKey,
      publishedMs: systemClock.nowMs(),
    });
    return signJson(statement, key);
  };
}

function installedVersions(packages: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url);
  const versions: Record<string, string> = {};
  for (const name of packages) {
    try {
      versions[name] = (require(`${name}/package.json`) as { version: string }).version;
    } catch {
      // Not installed, or it does not show its package.json: then the manifest does not name it.
    }
  }
  return versions;
}
