import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import { MalformedError } from './protobuf.ts';

/** Protobuf's own limit: a larger model keeps its weights in external data. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Bytes of the model's main file. Fails with MODEL_NOT_FOUND, or MODEL_INVALID for a file of more than 2 GB. */
export async function readModelFile(path: string): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw notReadable(
      path,
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be opened',
      error,
    );
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw notReadable(path, 'is not a file', undefined);
    if (stat.size > MAX_MODEL_BYTES) {
      throw new Failure(
        'MODEL_INVALID',
        `The model ${path} has ${stat.size} bytes; ONNX files end at 2 GB.`,
        {
          place: { file: path },
          next: 'Export the weights as external data.',
        },
      );
    }
    return await file.readFile();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw notReadable(path, 'cannot be read', error);
  } finally {
    await file.close();
  }
}

/** Runs `read` over the bytes of the model at `path`; what they get wrong becomes MODEL_INVALID. */
export function readingModel<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new Failure('MODEL_INVALID', `The model ${path} is not readable: ${error.message}.`, {
      place: { file: path },
      cause: error,
    });
  }
}

function notReadable(path: string, what: string, cause: unknown): Failure {
  return new Failure('MODEL_NOT_FOUND', `The model ${path} ${what}.`, { place: { file: path }, cause });
}
