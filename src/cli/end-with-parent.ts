/**
 * For processes that another one of ours has started: they end when it does, however it does. The parent holds the other
 * end of standard input and never writes to it, so all that can come is its end.
 * Returns whether there is such a parent.
 */
export function endWithParent(): boolean {
  if (process.env.BATCHWRIGHT_PARENT_PIPE !== '1') return false;
  process.stdin.resume();
  process.stdin.once('close', () => process.kill(process.pid, 'SIGKILL'));
  process.stdin.unref?.();
  return true;
}
