import type { ErrorCode } from '../core/error-codes.ts';
import { Failure } from '../core/errors.ts';

/**
 * What an error of the file system means. `doing` completes the sentence "... failed", `denied` is the code for missing
 * permission, which depends on who the file belongs to. What is no error of the file system is returned as it is.
 */
export function fsFailure(
  error: unknown,
  doing: string,
  file: string,
  denied: ErrorCode = 'STORAGE_FAILED',
): unknown {
  const code = errnoOf(error);
  if (code === null) return error;
  const options = { place: { file }, cause: error };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure('DISK_FULL', `${doing} failed: no space is left for ${file} (${code}).`, options);
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Failure(denied, `${doing} failed: permission denied for ${file} (${code}).`, options);
  }
  return new Failure('STORAGE_FAILED', `${doing} failed for ${file} (${code}).`, options);
}

/** The name of a system error, as ENOENT; null for any other error. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || error instanceof Failure) return null;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof syscall === 'string' ? code : null;
}

export function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
