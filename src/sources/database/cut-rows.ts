import { open, rm } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import { RowEnds } from '../../databases/row-text.ts';
import { fsFailure } from '../../storage/fs-failure.ts';

/** Rows as text, in a file that holds nothing else. */
export interface Piece {
  readonly path: string;
  readonly longestRowBytes: number;
  readonly hasQuotes: boolean;
}

/** Two such files lie on the disk at most: one that is being written and one that is being read. */
const PIECE_BYTES = 64 * 2 ** 20;

/**
 * Cuts a stream of rows into files `<path>.0`, `<path>.1` ... behind whole rows, and gives each to `take`, one after the other,
 * while the next one is written; a file is removed when `take` is done with it. There is at least one. Memory does not grow with
 * the stream: whoever sends waits for `take`.
 *
 * Fails with CONNECTION_FAILED if the last row is not ended, and as the stream, the disk or `take` does.
 */
export async function cutRows(
  chunks: AsyncIterable<Buffer>,
  path: string,
  take: (piece: Piece) => Promise<void>,
  pieceBytes = PIECE_BYTES,
): Promise<void> {
  let taking: Promise<void> = Promise.resolve();
  let failed = false;
  const begin = async (index: number) => {
    const name = `${path}.${index}`;
    const file = await open(name, 'wx').catch((error: unknown) => {
      throw fsFailure(error, 'Writing rows', name);
    });
    let bytes = 0;
    const ends = new RowEnds();
    return {
      ends,
      bytes: () => bytes,
      async write(chunk: Buffer) {
        for (let done = 0; done < chunk.length; ) {
          const { bytesWritten } = await file
            .write(chunk, done, chunk.length - done)
            .catch((error: unknown) => {
              throw fsFailure(error, 'Writing rows', name);
            });
          done += bytesWritten;
        }
        bytes += chunk.length;
      },
      async close() {
        await file.close();
      },
      async handOver() {
        await file.close();
        // One at a time: rows are numbered in order.
        await taking;
        taking = take({
          path: name,
          longestRowBytes: ends.longestRowBytes,
          hasQuotes: ends.hasQuotes,
        }).finally(() => rm(name, { force: true }));
        taking.catch(() => {
          failed = true;
        });
      },
      discard: () => rm(name, { force: true }),
    };
  };
  let index = 0;
  let current = await begin(index);
  let isOpen = true;
  try {
    for await (const chunk of chunks) {
      if (failed) await taking;
      const end = current.ends.push(chunk);
      if (current.bytes() + chunk.length < pieceBytes || end === 0) {
        await current.write(chunk);
        continue;
      }
      await current.write(chunk.subarray(0, end));
      isOpen = false;
      await current.handOver();
      index += 1;
      current = await begin(index);
      isOpen = true;
      const rest = chunk.subarray(end);
      if (rest.length > 0) {
        current.ends.push(rest);
        await current.write(rest);
      }
    }
    if (!current.ends.complete)
      throw new Failure('CONNECTION_FAILED', 'The rows of the database end in the middle of a row.');
    isOpen = false;
    if (index > 0 && current.bytes() === 0) {
      await current.close();
      await current.discard();
    } else await current.handOver();
    await taking;
  } catch (error) {
    if (isOpen) await current.close().catch(() => {});
    await taking.catch(() => {});
    await current.discard();
    throw error;
  }
}
