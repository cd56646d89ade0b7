import { availableParallelism, totalmem } from 'node:os';

/** What workers on this machine share: processes that run at once, and memory. */
export function thisMachine(): { readonly slots: number; readonly memoryMb: number } {
  return { slots: availableParallelism(), memoryMb: Math.floor(totalmem() / 2 ** 20) };
}
