import { Failure } from './errors.ts';

/** Files that are named one by one, at most. */
export const MOST_FILES_NAMED = 20;

/**
 * One failure for what is wrong with several files: that of the first, saying how many others there are, with up to 20 of
 * them in `problems`.
 */
export function failureOfFiles(failures: readonly [Failure, ...Failure[]]): Failure {
  const [first, ...others] = failures;
  if (others.length === 0) return first;
  const more = `${others.length} more file${others.length === 1 ? ' does' : 's do'} not fit either`;
  return new Failure(first.code, `${first.message.replace(/\.$/, '')}; ${more}.`, {
    place: first.place,
    next: first.next,
    cause: first.cause,
    problems: failures.slice(0, MOST_FILES_NAMED).map((failure) => failure.toJSON()),
  });
}
