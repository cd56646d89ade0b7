import { Command } from 'commander';
import { ERROR_CODES, type ErrorCode, isErrorCode } from '../../core/error-codes.ts';
import { Failure } from '../../core/errors.ts';
import { EXIT_CODES, exitCodeOf } from '../../core/exit-codes.ts';
import { nearest } from '../../core/nearest.ts';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { examples, helpWidth, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { paint } from '../style.ts';
import { formatTable } from '../table.ts';
import { foldedAt } from '../text-width.ts';

export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('what an error code means, and what to do')
    .description(
      'Says what the code of an error or of a reject means, how far it reaches, what to do about it, and with which exit code a command ends. Without a code: lists them all.',
    )
    .argument('[code]', 'as it stands in front of an error');
  return withHelp(
    withCommonOptions(command),
    examples(['One code', 'batchwright explain NULL_FEATURE'], ['All of them', 'batchwright explain']),
  ).action((code: string | undefined, options: CommonOptions) =>
    finish(options, async (output) => (code === undefined ? list(output) : explain(code, output))),
  );
}

const SCOPES: Readonly<Record<(typeof ERROR_CODES)[ErrorCode]['scope'], string>> = {
  record: 'one record: it is rejected, the others are scored; config.error_budget decides about the job',
  'batch-memory': 'one batch: it is halved and tried again',
  shard: 'one attempt at a shard: it is repeated, at most config.retry_count times',
  worker: 'one worker: its work goes to another',
  job: 'the job, or the command: it ends at once',
};

function explain(given: string, output: Output): number {
  const code = given.toUpperCase().replaceAll('-', '_');
  if (!isErrorCode(code)) throw unknownCode(given);
  const { meaning, next, scope } = ERROR_CODES[code];
  const exit = exitCodeOf(code);
  const rows = [
    ['means', meaning],
    ['reaches', SCOPES[scope]],
    ['to do', next],
    ['exit code', `${exit}: ${EXIT_CODES[exit]}`],
  ] as const;
  const text = rows.map(([label, sentence]) =>
    foldedAt(sentence, helpWidth() - 13)
      .map((line, index) => `  ${(index === 0 ? label : '').padEnd(10)} ${line}`)
      .join('\n'),
  );
  output.result([paint('strong', code), ...text].join('\n'), { code, scope, meaning, next, exit });
  return 0;
}

function list(output: Output): number {
  const codes = Object.entries(ERROR_CODES);
  const table = formatTable(
    [{ header: 'CODE' }, { header: 'MEANING', least: 20 }],
    codes.map(([code, { meaning }]) => [code, meaning]),
    output.width,
  );
  output.result(table, {
    codes: codes.map(([code, { scope, meaning, next }]) => ({ code, scope, meaning, next })),
  });
  return 0;
}

/** For every command that takes a code. */
export function unknownCode(given: string): Failure {
  const near = nearest(given, Object.keys(ERROR_CODES));
  return new Failure(
    'USAGE',
    `There is no code ${given}.${near === undefined ? '' : ` Did you mean ${near}?`}`,
    {
      next: '`batchwright explain` lists all codes.',
    },
  );
}
