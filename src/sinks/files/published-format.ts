import type { TextFormat } from '../../data/engine.ts';
import type { JobSpec } from '../../spec/job-spec.ts';

/** In what form a job's files are published; `text` null: as the Parquet files that the workers wrote. */
export interface PublishedFormat {
  /** With its dot. */
  readonly extension: string;
  readonly text: TextFormat | null;
}

export const PARQUET: PublishedFormat = { extension: '.parquet', text: null };

export function publishedFormat({
  destination,
  compression,
  escape_formulas,
}: JobSpec['output']): PublishedFormat {
  if (destination === 'parquet') return PARQUET;
  const text: TextFormat = {
    kind: destination,
    compression: compression ?? 'none',
    escapeFormulas: escape_formulas ?? false,
  };
  return { extension: `.${destination}${SUFFIXES[text.compression]}`, text };
}

const SUFFIXES: Readonly<Record<TextFormat['compression'], string>> = { none: '', gzip: '.gz', zstd: '.zst' };

/** The format of a file of a dataset, by its name; null: it is no data of a dataset (readers skip names with `_` or `.`). */
export function formatOfFile(file: string): JobSpec['output']['destination'] | null {
  if (file.split('/').some((name) => name.startsWith('_') || name.startsWith('.'))) return null;
  const [, kind] = /\.(parquet|csv|jsonl)(?:\.gz|\.zst)?$/.exec(file) ?? [];
  return (kind as JobSpec['output']['destination'] | undefined) ?? null;
}
