import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ModelCompanion } from '../core/bound.ts';
import { Failure } from '../core/errors.ts';
import { fileSha256 } from '../storage/file-sha256.ts';
import { didYouMean } from '../storage/similar-file.ts';
import type { Storage } from '../storage/storage.ts';

/** Names, relative to the model's folder, of the files of external data that a model refers to; refuses unsafe ones. */
export type CompanionsOf = (modelPath: string) => Promise<readonly { name: string; sizeBytes: number }[]>;

/** Fails with MODEL_NOT_FOUND. */
export async function sha256OfFile(path: string): Promise<string> {
  let sha256 = '';
  await reading(path, async () => {
    await using file = await open(path);
    ({ sha256 } = await fileSha256(file));
  });
  return sha256;
}

/** The files beside a model, each with its digest. Fails as `companionsOf` does. */
export async function hashedCompanions(
  modelPath: string,
  companionsOf: CompanionsOf,
): Promise<ModelCompanion[]> {
  const companions: ModelCompanion[] = [];
  for (const { name, sizeBytes } of await companionsOf(modelPath)) {
    companions.push({ name, sizeBytes, sha256: await sha256OfFile(join(dirname(modelPath), name)) });
  }
  return companions;
}

/** Copies a file into the storage, unless it is there; fails with MODEL_CHANGED if its bytes are others than expected. */
export async function copyModelFile(
  path: string,
  key: string,
  expected: string,
  storage: Storage,
): Promise<void> {
  if ((await storage.stat(key)) !== null) return;
  const staged = await storage.stage(key);
  try {
    await reading(path, () =>
      pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), createWriteStream(staged.path)),
    );
    if ((await sha256OfFile(staged.path)) !== expected) throw modelChanged(path);
    await staged.seal();
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

export function modelChanged(path: string): Failure {
  return new Failure('MODEL_CHANGED', `${path} is not the file that the job was submitted with.`, {
    place: { file: path, field: 'model_id' },
  });
}

async function reading(path: string, work: () => Promise<void>): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw await folderGiven(path);
    if (!found.isFile())
      throw new Failure('MODEL_NOT_FOUND', `${path} is not a file.`, { place: { file: path } });
    await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new Failure('MODEL_NOT_FOUND', `There is no model at ${path}${didYouMean(path) || '.'}`, {
        place: { file: path, field: 'model_id' },
        cause: error,
      });
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new Failure('MODEL_NOT_FOUND', `The model ${path} may not be read (${code}).`, {
        place: { file: path, field: 'model_id' },
        cause: error,
      });
    }
    throw error;
  }
}

const MOST_CANDIDATES = 3;

/** With the paths of models in it, for whoever named the folder instead of one. */
async function folderGiven(folder: string): Promise<Failure> {
  const models = (await readdir(folder)).filter((name) => /\.onnx$/i.test(name)).sort();
  const shown = models.slice(0, MOST_CANDIDATES).map((name) => join(folder, name));
  const more = models.length > shown.length ? ` and ${models.length - shown.length} more` : '';
  const [first, second] = shown;
  const holds =
    first === undefined
      ? ' It holds no .onnx file.'
      : second === undefined
        ? ''
        : ` It holds ${shown.join(', ')}${more}.`;
  return new Failure('MODEL_NOT_FOUND', `${folder} is a folder, not a model.${holds}`, {
    place: { file: folder, field: 'model_id' },
    next:
      first === undefined
        ? 'Give the path of an .onnx file.'
        : second === undefined
          ? `Name the file in it: ${first}`
          : 'Name the .onnx file in it.',
  });
}
