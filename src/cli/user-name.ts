import { userInfo } from 'node:os';

/** Who runs this program, as the system says; null where it knows no name. */
export function userName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}
