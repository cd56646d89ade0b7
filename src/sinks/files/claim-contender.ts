import { readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { acquireClaim, type ProcessPorts } from './claim.ts';
import { resolveDestination } from './destination.ts';

/**
 * A process of the tests: claims and releases `<root>/scores` without end. While it holds, its pid stands in `<root>/inside`;
 * another living process there means that two held at once, and is printed. Prints `round` for each turn.
 */
async function contend(root: string, pid: number): Promise<never> {
  const ports = portsOf(`test:${pid}`);
  const to = await resolveDestination(join(root, 'scores'));
  const inside = join(root, 'inside');
  for (let turn = 0; ; turn++) {
    const claim = await acquireClaim(
      to,
      { jobId: `job-${pid}-${turn}`, tenant: 'default', fence: 1 },
      ports,
    ).catch((error: unknown) => {
      if (error instanceof Failure && error.code === 'DESTINATION_BUSY') return null;
      throw error;
    });
    if (claim === null) continue;
    const other = await readFile(inside, 'utf8').catch(() => null);
    // Empty: killed while it wrote.
    if (other !== null && other !== '' && !ports.isProvablyDead(`test:${other}`))
      process.stdout.write(`${pid} met ${other} inside\n`);
    await writeFile(inside, String(pid));
    await claim.requireHeld();
    if ((await readFile(inside, 'utf8')) !== String(pid)) process.stdout.write(`${pid} was joined\n`);
    await unlink(inside);
    await claim.release();
    process.stdout.write('round\n');
  }
}

/** A process of tests is `test:<pid>`, or one that never was. */
export function portsOf(identity: string): ProcessPorts {
  return {
    identity,
    isProvablyDead: (other) => {
      const pid = Number(other.split(':')[1]);
      if (Number.isNaN(pid)) return other.startsWith('test:dead:');
      try {
        process.kill(pid, 0);
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ESRCH';
      }
    },
  };
}

if (import.meta.main) await contend(process.argv[2] ?? '', process.pid);
