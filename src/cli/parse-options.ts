import { InvalidArgumentError } from 'commander';

/** Parsers of option values that several commands have. */

export function parseRowCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= 1) return count;
  throw new InvalidArgumentError('It takes a whole number of at least 1.');
}
