import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { Failure } from '../../core/errors.ts';
import { isModelPath } from '../../core/model-reference.ts';
import type { FlagValues } from '../../spec/flags.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { fsFailure } from '../../storage/fs-failure.ts';
import {
  configOption,
  finish,
  type StateOptions,
  stateOption,
  withCommonOptions,
} from '../common-options.ts';
import { findConfigFile } from '../find-config-file.ts';
import { examples, withHelp } from '../help.ts';
import { BEHAVIOUR, flagValues, jobOptions } from '../job-options.ts';
import type { Output } from '../output.ts';
import { readSqlFile } from '../read-job-file.ts';

interface InitFlags extends StateOptions {
  readonly config?: string;
  readonly [flag: string]: unknown;
}

/** What has to be known to look into the input, and where the result is to go. The rest is for the file. */
const FIELDS = [
  'model_id',
  'input.path',
  'input.source',
  'input.connection',
  'input.query',
  'input.table',
  'input.key',
  'input.delimiter',
  'input.quote',
  'input.header',
  'input.decimal',
  'output.path',
  'output.destination',
  'output.mode',
];
const OUTPUT = 'scores/';
const ENGINE_MEMORY_MB = 1_024;

export function initCommand(): Command {
  const command = new Command('init')
    .summary('write a job file for a table and a model, with comments')
    .description(
      'Looks at a table and a model and writes a job file for them: kind of input, key, the columns that feed the model, what else could be said, each with a comment. What cannot be told for sure is left as a TODO. Overwrites nothing.',
    )
    .argument('[file]', 'the job file to write (default: job.yaml)');
  for (const option of jobOptions(FIELDS)) command.addOption(option);
  command.addOption(configOption().helpGroup(BEHAVIOUR)).addOption(stateOption().helpGroup(BEHAVIOUR));
  withCommonOptions(command);
  withHelp(
    command,
    examples(
      ['Write job.yaml', "batchwright init --model churn.onnx --input 'customers/*.parquet'"],
      [
        'CSV with semicolons, under another name',
        "batchwright init --model m.onnx --input t.csv --delimiter ';' nightly.yaml",
      ],
    ),
  );
  return command.action(async (file: string | undefined, options: InitFlags) =>
    finish(options, (output) => init(file ?? 'job.yaml', flagValues(command, options), options, output)),
  );
}

async function init(
  file: string,
  given: FlagValues,
  { state, config: named }: InitFlags,
  output: Output,
): Promise<number> {
  const fromDatabase = given['--query'] !== undefined || given['--table'] !== undefined;
  const missing = ['--model', ...(fromDatabase ? [] : ['--input'])].filter(
    (flag) => given[flag] === undefined,
  );
  if (missing.length > 0) {
    throw new Failure('USAGE', `init needs a model and a table to look at: ${missing.join(' and ')}.`, {
      next: "batchwright init --model m.onnx --input 'in/*.parquet'",
    });
  }
  if (existsSync(file)) throw exists(file);
  const flags = {
    '--output': OUTPUT,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
  const { jobSpecFromFlags } = await import('../../spec/spec-from-flags.ts');
  const spec = jobSpecFromFlags(flags, process.cwd(), undefined, readSqlFile);
  const { proposal, signature } = await look(spec, state, findConfigFile(named, file));
  const { jobFileText } = await import('../init/write-job-file.ts');
  const folder = dirname(resolve(file));
  const fromFile = (path: string) => relativeTo(folder, path);
  const model = String(flags['--model' as keyof typeof flags]);
  const text = jobFileText({
    proposal,
    signature,
    spec,
    model: isModelPath(model) ? fromFile(model) : model,
    input: fromDatabase
      ? []
      : [flags['--input' as keyof typeof flags]].flat().map((path) => fromFile(String(path))),
    output: fromFile(String(flags['--output'])),
  });
  write(file, text);
  const { key, keyReason, features, unbound } = proposal;
  const bound =
    unbound === null
      ? 'The model is bound; check looks at everything else:'
      : 'A TODO is left: the columns that feed the model. check shows them beside its inputs:';
  output.result(
    [`Wrote ${file}. Key: ${key ?? 'file and row number'}. ${bound}`, `  batchwright check ${file}`].join(
      '\n',
    ),
    { file: resolve(file), key, key_reason: keyReason, features, unbound },
  );
  return 0;
}

/** Looks into the state folder and below a scratch folder only; writes nothing else. */
async function look(spec: JobSpec, state: string, config: string | null) {
  const [{ createDataEngine }, { createLocalStorage }, { WHOLE_FILE_SYSTEM }, { scratchFolder }] =
    await Promise.all([
      import('../../data/duckdb-engine.ts'),
      import('../../storage/local.ts'),
      import('../embedded-manager.ts'),
      import('../scratch-folder.ts'),
    ]);
  const { databaseAccess } = await import('../config-file.ts');
  const { lookAtInput } = await import('../check/look-at-input.ts');
  const { lookAtModel } = await import('../check/look-at-model.ts');
  const { openStateCopy } = await import('../check/state-copy.ts');
  const { registryOver } = await import('../registry-over.ts');
  const { keysByValue } = await import('../likely-keys.ts');
  const { searchFolders } = await import('../../sources/files/expand-paths.ts');
  const { inputPaths } = await import('../../sources/prepare.ts');
  const { proposeJob } = await import('../init/propose-job.ts');
  const scratch = scratchFolder();
  await using opened = new AsyncDisposableStack();
  opened.defer(async () => scratch.remove());
  const storage = createLocalStorage({ root: WHOLE_FILE_SYSTEM });
  const threads = availableParallelism();
  const engine = opened.use(
    await createDataEngine({
      threads,
      memoryLimitMb: ENGINE_MEMORY_MB,
      tempDir: scratch.path,
      allowed: [...searchFolders(inputPaths(spec.input)), scratch.path],
    }),
  );
  const ledger = opened.use(await openStateCopy(state, scratch.path));
  const { signature, resolved } = await lookAtModel(spec, registryOver(ledger, storage), state, storage);
  const { snapshot } = await lookAtInput(
    spec.input,
    { full: false, scratch: scratch.path },
    {
      storage,
      engine,
      parallelFiles: threads,
      signal: new AbortController().signal,
      ...databaseAccess(config, { threads, memoryLimitMb: ENGINE_MEMORY_MB, tempDir: scratch.path }),
    },
  );
  const candidates = await keysByValue(snapshot, storage);
  const proposal = proposeJob({
    signature,
    contract: resolved.registered?.model.contract ?? {},
    columns: snapshot.columns,
    candidates: candidates.columns,
    rows: candidates.rows,
    ...(spec.input.key === undefined ? {} : { key: spec.input.key }),
  });
  return { proposal, signature };
}

/** As a job file in that folder has to say it; what was absolute stays so. */
function relativeTo(folder: string, path: string): string {
  if (isAbsolute(path)) return path;
  const way = relative(folder, resolve(path));
  const end = path.endsWith('/') && way !== '' ? '/' : '';
  return way === '' ? '.' : `${way}${end}`;
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(file);
    throw fsFailure(error, 'Writing the job file', file);
  }
}

function exists(file: string): Failure {
  return new Failure('FILE_EXISTS', `${file} is there already; init overwrites nothing.`, {
    place: { file },
    next: `Name another file, as: batchwright init ... other.yaml`,
  });
}
