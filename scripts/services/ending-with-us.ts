/** What a server is started under, so that it gets a signal when this process is gone, however it went. Only Linux has that. */
export function endingWithUs(signal: 'INT' | 'TERM'): string[] {
  return process.platform === 'linux' ? ['setpriv', '--pdeathsig', signal] : [];
}
