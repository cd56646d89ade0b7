import { Command } from 'commander';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { examples, withHelp } from '../help.ts';

interface WorkerOptions extends CommonOptions {
  readonly manager: string;
  readonly storage: string;
}

/** The worker as people start it; the compute goes straight to `worker.ts` (see `main.ts`). */
export function workerCommand(): Command {
  const command = new Command('worker')
    .summary('score shards for a manager')
    .description(
      "Scores shards of one job for a manager until there is no more work. `run` starts its workers itself; by hand, one can be started on another machine that sees the same storage. The job's token comes in BATCHWRIGHT_TOKEN.",
    )
    .requiredOption('--manager <url>', 'where the manager is')
    .requiredOption('--storage <folder>', "where the storage's root is on this machine");
  return withHelp(
    withCommonOptions(command),
    examples([
      'A worker of a job',
      'BATCHWRIGHT_TOKEN=... batchwright worker --manager http://host:port --storage /',
    ]),
  ).action(({ manager, storage, ...options }: WorkerOptions) =>
    finish(options, async () => {
      const { workerCommand: work } = await import('./worker.ts');
      return work({ manager, storage });
    }),
  );
}
