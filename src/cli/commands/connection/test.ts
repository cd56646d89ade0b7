import { requireConnection } from '../../../spec/connections.ts';
import { readConfiguration } from '../../config-file.ts';
import { findConfigFile } from '../../find-config-file.ts';
import { formatDuration } from '../../format.ts';
import type { Output } from '../../output.ts';
import { scratchFolder } from '../../scratch-folder.ts';
import { systemClock } from '../../system-ports.ts';
import { oneLine } from '../../visible-text.ts';

const MEMORY_MB = 512;
const LABEL = 9;

/** Connects as a job would, and says what answered. */
export async function connectionTestCommand(
  name: string,
  named: string | undefined,
  output: Output,
): Promise<number> {
  const file = findConfigFile(named);
  const spec = requireConnection(name, readConfiguration(file).connections, file);
  const { openDatabase } = await import('../../../databases/open-database.ts');
  const scratch = scratchFolder();
  try {
    const begunMs = systemClock.monotonicMs();
    const database = await openDatabase(name, spec, {
      threads: 1,
      memoryLimitMb: MEMORY_MB,
      tempDir: scratch.path,
    });
    const {
      server,
      user,
      database: where,
      canWrite,
      encrypted,
    } = await database.about(new AbortController().signal);
    const tookMs = systemClock.monotonicMs() - begunMs;
    const line = (label: string, value: string) => `${label.padEnd(LABEL)} ${oneLine(value)}`;
    const isServer = 'host' in spec;
    output.result(
      [
        `${name} answers.`,
        line('server', server),
        line('database', where),
        ...(user === null ? [] : [line('user', user)]),
        line(
          'rights',
          canWrite === null
            ? 'not known'
            : canWrite
              ? `may write; jobs only read, but a role that may only read is safer${isServer ? '' : ' (file permissions)'}`
              : 'reads only',
        ),
        ...(isServer ? [line('tls', encrypted ? 'yes' : 'no')] : []),
        line('took', formatDuration(tookMs)),
      ].join('\n'),
      { name, server, database: where, user, can_write: canWrite, encrypted, took_ms: Math.round(tookMs) },
    );
    return 0;
  } finally {
    scratch.remove();
  }
}
