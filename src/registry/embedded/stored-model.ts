import { open } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import { type ModelVersion, mainFileName, modelFolder, versionText } from '../../core/model-version.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import { errnoOf, fsFailure } from '../../storage/fs-failure.ts';
import type { Storage } from '../../storage/storage.ts';

export interface StoredFile {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The files of a model below the store of its tenant, the main one first. */
export function storedFiles(store: string, bytes: ModelVersion['bytes']): [StoredFile, ...StoredFile[]] {
  const folder = `${store}/${modelFolder(bytes)}`;
  const { sizeBytes, sha256 } = bytes;
  return [
    { key: `${folder}/${mainFileName(bytes)}`, sizeBytes, sha256 },
    ...bytes.companions.map((companion) => ({
      key: `${folder}/${companion.name}`,
      sizeBytes: companion.sizeBytes,
      sha256: companion.sha256,
    })),
  ];
}

/** Reads all bytes. Fails with MODEL_CORRUPT unless they are those that were added. */
export async function checkStoredFiles(
  model: Pick<ModelVersion, 'name' | 'version'>,
  files: readonly Pick<StoredFile, 'key' | 'sha256'>[],
  storage: Storage,
): Promise<void> {
  for (const { key, sha256 } of files) {
    const path = await storage.localPath(key);
    const found = await sha256OfObject(path);
    if (found === sha256) continue;
    const what = found === null ? 'is missing' : `has the digest ${found}, not ${sha256}`;
    throw new Failure('MODEL_CORRUPT', `A file of ${versionText(model)} ${what}: ${path}.`, {
      place: { file: path, field: 'model_id' },
    });
  }
}

/** Null: there is no such file. */
export async function sha256OfObject(path: string): Promise<string | null> {
  try {
    await using file = await open(path);
    return (await fileSha256(file)).sha256;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fsFailure(error, 'Reading a model', path);
  }
}
