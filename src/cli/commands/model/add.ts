import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Failure } from '../../../core/errors.ts';
import { checkedAlias, checkedModelName } from '../../../core/model-reference.ts';
import { registryStoreOf } from '../../../manager/layout.ts';
import { importModel } from '../../../registry/embedded/import-model.ts';
import { runtimes } from '../../../runtimes/runtimes.ts';
import { splitList } from '../../../spec/split-list.ts';
import { createLocalStorage } from '../../../storage/local.ts';
import { WHOLE_FILE_SYSTEM } from '../../embedded-manager.ts';
import { formatBytes } from '../../format.ts';
import type { Output } from '../../output.ts';
import { EMBEDDED_TENANT, openStateFolder } from '../../state-folder.ts';
import { userName } from '../../user-name.ts';
import { withModels } from './with-models.ts';

export interface AddOptions {
  readonly name: string;
  readonly file: string;
  readonly alias: string | null;
  /** `a,b,c`, or `@file` with one name on each line; each may be given several times. */
  readonly features: readonly string[] | null;
  readonly key: string | null;
  readonly outputs: Readonly<Record<string, string>> | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
}

/**
 * Adds a version of a model: its bytes go into the storage, here, and then the manager registers them. Cut off in
 * between, nothing is registered, and the same command again finishes it.
 */
export async function modelAddCommand(options: AddOptions, state: string, output: Output): Promise<number> {
  // Before bytes are copied: what can be refused cheaply.
  const name = checkedModelName(options.name);
  if (options.alias !== null) checkedAlias(options.alias);
  return withModels(state, async (models) => {
    const storage = createLocalStorage({ root: WHOLE_FILE_SYSTEM });
    const workspaceKey = storage.keyOf(openStateFolder(state).workspace);
    const { bytes, signature } = await importModel(
      resolve(options.file),
      registryStoreOf({ workspaceKey }, EMBEDDED_TENANT),
      {
        storage,
        companionsOf: runtimes.onnx.companions,
        inspect: (path, sha256) => runtimes.onnx.inspect({ path, sha256 }),
      },
    );
    const { added, model } = await models.add(name, {
      bytes,
      signature,
      ...(options.features === null ? {} : { features: options.features }),
      ...(options.key === null ? {} : { key: options.key }),
      ...(options.outputs === null ? {} : { outputs: options.outputs }),
      tags: options.tags,
      description: options.description,
      alias: options.alias,
      by: userName(),
    });
    const aliased = options.alias === null ? '' : `, ${name}@${options.alias} is this version now`;
    const what = added
      ? `Added ${model.reference} (${formatBytes(model.size_bytes)}, sha256 ${model.sha256.slice(0, 12)})`
      : `${model.reference} is this model already, with the same metadata`;
    output.result(`${what}${aliased}.`, { added, model });
    return 0;
  });
}

/** `--features`: names separated by commas (`\,` inside a name), or `@file` with one on each line. */
export function readFeatures(given: readonly string[]): string[] {
  return given.flatMap((text) => (text.startsWith('@') ? readLines(text.slice(1)) : splitList(text)));
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    throw new Failure(
      'USAGE',
      `The file of features ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      {
        place: { file },
        next: '--features a,b,c, or --features @file with one name on each line.',
        cause: error,
      },
    );
  }
}
