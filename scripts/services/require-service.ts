/**
 * For a test that needs a server: null, or why it is skipped. With `CI=true` a service that cannot be had is a failure: nothing may
 * be skipped in silence there.
 */
export function requireService(name: string, started: unknown): string | null {
  if (typeof started !== 'string') return null;
  if (process.env.CI === 'true') throw new Error(`${name} cannot be started: ${started}`);
  return started;
}
