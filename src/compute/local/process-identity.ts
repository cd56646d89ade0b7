import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * A process, told apart from every other that ever had its number: boot of the machine, pid, start time in clock ticks
 * since boot (field 22 of /proc/PID/stat), and the namespace that the pid is a number in: of another container's
 * processes nothing is known. Without /proc (macOS) host name and pid have to do, and death cannot
 * be proven: leases then run out by time.
 */
export function processIdentity(pid: number): string {
  const start = startTicks(pid);
  return start === null ? `proc:${hostname()}:${pid}` : `proc:${bootId()}:${pid}:${start}:${pidNamespace()}`;
}

/** True only if it is certain that the process is gone: it ran on this boot of this machine and no longer exists. */
export function isProvablyDead(identity: string): boolean {
  const [scheme, boot, pid, start, namespace] = identity.split(':');
  if (scheme !== 'proc' || start === undefined || boot !== bootId() || namespace !== pidNamespace())
    return false;
  return startTicks(Number(pid)) !== start;
}

/** True only if a process of this number runs here now and is the one of this identity (without /proc: as far as can be seen). */
export function isRunningHere(pid: number, identity: string): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0 || processIdentity(pid) !== identity) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
  } catch {
    return 'unknown';
  }
}

/** Null: no such process (or no /proc). A zombie has ended: it counts as gone. */
function startTicks(pid: number): string | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may itself hold spaces and parentheses.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
