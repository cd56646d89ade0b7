import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** Read at once; hashing one takes about a millisecond, so that the event loop stays free. */
const CHUNK_BYTES = 1 << 20;

/** SHA-256 (hex) and size of all that a file holds. */
export async function fileSha256(
  file: FileHandle,
  signal?: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let sizeBytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, sizeBytes);
    if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') };
    hash.update(chunk.subarray(0, bytesRead));
    sizeBytes += bytesRead;
  }
}
