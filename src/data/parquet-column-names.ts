import { open } from 'node:fs/promises';
import { NotPlain } from './not-plain.ts';
import { readColumnNames } from './parquet-footer.ts';

/** The length of the metadata, and `PAR1`. */
const TAIL_BYTES = 8;
/** More is no schema to look at quickly. */
const MOST_BYTES = 16 * 2 ** 20;

/** The top-level columns of a Parquet file, from its footer alone. Null: it cannot be told so; whoever reads the file will say why. */
export async function parquetColumnNames(path: string): Promise<string[] | null> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (size < TAIL_BYTES) return null;
  const tail = Buffer.alloc(TAIL_BYTES);
  await file.read(tail, 0, TAIL_BYTES, size - TAIL_BYTES);
  const length = tail.readUInt32LE(0);
  if (tail.toString('latin1', 4) !== 'PAR1' || length > MOST_BYTES || length > size - TAIL_BYTES) return null;
  const footer = Buffer.alloc(length);
  await file.read(footer, 0, length, size - TAIL_BYTES - length);
  try {
    return readColumnNames(footer);
  } catch (error) {
    if (error instanceof NotPlain) return null;
    throw error;
  }
}
