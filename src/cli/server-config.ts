import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Failure } from '../core/errors.ts';
import { type ResolvedSettings, resolveServerSettings, type SettingKey } from '../spec/server-settings.ts';
import { readSpecDocument } from '../spec/spec-document.ts';

/** Settings from a file, the environment of this process, and flags. Fails with SETTING_INVALID. */
export function readServerSettings(
  file: string | undefined,
  flags: Partial<Record<SettingKey, string | boolean>>,
): ResolvedSettings {
  return resolveServerSettings({
    file:
      file === undefined
        ? null
        : { name: file, folder: dirname(resolve(file)), value: readSettingsFile(file) },
    environment: process.env,
    flags,
    folder: process.cwd(),
  });
}

function readSettingsFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(
      'SETTING_INVALID',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      {
        place: { file },
        next: 'Correct the path that --config gives.',
        cause: error,
      },
    );
  }
  try {
    return readSpecDocument(text, file).value;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const [first = error.message] = error.problems.map(({ message }) => message);
    throw new Failure('SETTING_INVALID', first.replace('The job specification', 'The configuration'), {
      place: error.place,
      cause: error,
    });
  }
}
