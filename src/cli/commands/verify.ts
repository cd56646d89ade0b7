import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { keyFolder, ownPublicKey, readPublicKey } from '../../lineage/keys.ts';
import { type VerifiedDataset, verifyDataset } from '../../lineage/verify.ts';
import { formatBytes, formatCount } from '../format.ts';
import type { Output } from '../output.ts';

/** Checks a published result; trusts the given key, else this user's own. */
export async function verifyCommand(folder: string, keyFile: string | null, output: Output): Promise<number> {
  const key = keyFile === null ? ownPublicKey(keyFolder(process.env, homedir())) : readPublicKey(keyFile);
  const options = { trustedKeys: key === null ? [] : [key], signal: new AbortController().signal };
  const verified = await verifyDataset(resolve(folder), options);
  output.result(report(verified), { event: 'verified', ...verified });
  return 0;
}

function report({ location, results, files, sizeBytes }: VerifiedDataset): string {
  const lines = [
    `${location} is what was published: ${files} files, ${formatBytes(sizeBytes)}, every byte checked.`,
  ];
  for (const { keyId, statement } of results) {
    const { job, counts, model, snapshot, code } = statement.predicate;
    lines.push(
      '',
      `  job       ${job.id} "${job.name}", published ${job.publishedAt}`,
      `  rows      ${formatCount(counts.scored)} scored, ${formatCount(counts.rejected)} rejected, ${formatCount(counts.filtered)} filtered`,
      `  model     ${model.reference}, sha256 ${model.sha256}`,
      `  input     ${snapshot.files.length} files, ${formatCount(snapshot.rows)} rows, each file pinned by size, time and footer`,
      `  made by   ${code.name} ${code.version}, signed with key ${keyId}`,
    );
  }
  return lines.join('\n');
}
