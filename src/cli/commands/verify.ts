import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { VerifiedDataset } from '../../lineage/verify.ts';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { counted, formatBytes, formatCount } from '../format.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { paint } from '../style.ts';

interface VerifyOptions extends CommonOptions {
  readonly key?: string;
}

export function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('check a published result, byte by byte')
    .description(
      'Checks a published result against its signed manifest: every file is there, as it was published, and no other is. Needs neither the state folder nor a running manager.',
    )
    .argument('<folder>', 'the output of a completed job')
    .option('--key <file>', 'trust this public key (PEM) instead of your own');
  return withHelp(
    withCommonOptions(command),
    examples(
      ['A result of your own', 'batchwright verify scores/'],
      ['One that a colleague signed', 'batchwright verify scores/ --key colleague.pem'],
    ),
  ).action((folder: string, options: VerifyOptions) =>
    finish(options, (output) => verify(folder, options.key ?? null, output)),
  );
}

/** Trusts the given key, else this user's own. */
async function verify(folder: string, keyFile: string | null, output: Output): Promise<number> {
  const { keyFolder, ownPublicKey, readPublicKey } = await import('../../lineage/keys.ts');
  const { verifyDataset } = await import('../../lineage/verify.ts');
  const key = keyFile === null ? ownPublicKey(keyFolder(process.env, homedir())) : readPublicKey(keyFile);
  const options = { trustedKeys: key === null ? [] : [key], signal: new AbortController().signal };
  const verified = await verifyDataset(resolve(folder), options);
  output.result(report(verified), { event: 'verified', ...verified });
  return 0;
}

function report({ location, results, files, sizeBytes }: VerifiedDataset): string {
  const lines = [
    paint(
      'good',
      `${location} is what was published: ${counted(files, 'file')}, ${formatBytes(sizeBytes)}, every byte checked.`,
    ),
  ];
  for (const { keyId, statement } of results) {
    const { job, counts, model, snapshot, code } = statement.predicate;
    lines.push(
      '',
      `  job       ${job.id} "${job.name}", published ${job.publishedAt}`,
      `  rows      ${formatCount(counts.scored)} scored, ${formatCount(counts.rejected)} rejected, ${formatCount(counts.filtered)} filtered`,
      `  model     ${model.reference}, sha256 ${model.sha256}`,
      `  input     ${counted(snapshot.files.length, 'file')}, ${counted(snapshot.rows, 'row')}, each file pinned by size, time and footer`,
      `  made by   ${code.name} ${code.version}, signed with key ${keyId}`,
    );
  }
  return lines.join('\n');
}
