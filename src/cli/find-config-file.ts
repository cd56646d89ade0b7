import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Failure } from '../core/errors.ts';
import { didYouMean } from '../storage/similar-file.ts';

const CONFIG_FILE = 'batchwright.yaml';
/** Names the configuration file; processes that we start get it so, too. */
export const CONFIG_VARIABLE = 'BATCHWRIGHT_CONFIG';

/**
 * The configuration file: the one that is named by `--config`, else by `BATCHWRIGHT_CONFIG`; else `batchwright.yaml` beside the job file, or
 * in the working folder; null: there is none. Absolute. Fails with CONFIG_INVALID if the one that is named is not there.
 */
export function findConfigFile(flag: string | undefined, jobFile?: string): string | null {
  const named = flag ?? process.env[CONFIG_VARIABLE];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return resolve(named);
    throw new Failure(
      'CONFIG_INVALID',
      `The configuration file ${named} does not exist${didYouMean(named) || '.'}`,
      {
        place: { file: named },
        next:
          flag === undefined ? `Correct the environment variable ${CONFIG_VARIABLE}.` : 'Correct --config.',
      },
    );
  }
  const folders = [...(jobFile === undefined ? [] : [dirname(resolve(jobFile))]), process.cwd()];
  return folders.map((folder) => resolve(folder, CONFIG_FILE)).find((path) => existsSync(path)) ?? null;
}
