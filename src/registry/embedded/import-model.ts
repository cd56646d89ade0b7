import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelBytes } from '../../core/model-version.ts';
import type { ModelSignature } from '../../core/signature.ts';
import type { Storage } from '../../storage/storage.ts';
import { type CompanionsOf, copyModelFile, hashedCompanions, sha256OfFile } from '../model-bytes.ts';
import { sha256OfObject, storedFiles } from './stored-model.ts';

export interface ImportDeps {
  readonly storage: Storage;
  readonly companionsOf: CompanionsOf;
  /** Reads names, types and shapes from the bytes; refuses what is no model. */
  readonly inspect: (path: string, sha256: string) => Promise<ModelSignature>;
}

/**
 * Brings a model's files into the store of a tenant, under their digests, durably. Repeating it changes nothing, so it may
 * be cut off at any moment; a file in the store that is not what its digest says is put right. Nothing knows of the bytes
 * until the version is registered.
 *
 * Fails with MODEL_NOT_FOUND, MODEL_INVALID, MODEL_UNSUPPORTED, MODEL_EXTERNAL_DATA, and MODEL_CHANGED when the file is
 * written to meanwhile.
 */
export async function importModel(
  path: string,
  store: string,
  { storage, companionsOf, inspect }: ImportDeps,
): Promise<{ bytes: ModelBytes; signature: ModelSignature }> {
  const sha256 = await sha256OfFile(path);
  // Before anything is copied: what is refused leaves nothing behind.
  await inspect(path, sha256);
  const companions = await hashedCompanions(path, companionsOf);
  const { size: sizeBytes } = await stat(path);
  const bytes: ModelBytes = { sha256, sizeBytes, companions };
  const [main, ...others] = storedFiles(store, bytes);
  await put(path, main.key, sha256, storage);
  for (const [index, file] of others.entries()) {
    const { name = '' } = companions[index] ?? {};
    await put(join(dirname(path), name), file.key, file.sha256, storage);
  }
  // The signature is that of the bytes that are kept, whatever becomes of the file.
  return { bytes, signature: await inspect(await storage.localPath(main.key), sha256) };
}

/** A second link is what a process leaves that dies while it seals; external data with one is refused later. */
async function isWhole(path: string, sha256: string): Promise<boolean> {
  if ((await sha256OfObject(path)) !== sha256) return false;
  return (await stat(path)).nlink === 1;
}

async function put(path: string, key: string, sha256: string, storage: Storage): Promise<void> {
  if (!(await isWhole(await storage.localPath(key), sha256))) await storage.remove(key);
  await copyModelFile(path, key, sha256, storage);
}
