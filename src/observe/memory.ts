import { readdirSync, readFileSync } from 'node:fs';

const LEAST_PAUSE_MS = 50;

/**
 * Memory of a process and its direct children, in bytes, as proportional set size (PSS): a page that several processes
 * share counts once, divided among them, so that the sum over processes is what the machine really spends.
 * Null where the system does not tell (no /proc/PID/smaps_rollup).
 */
export function familyMemory(pid: number): number | null {
  const own = pss(pid);
  if (own === null) return null;
  let total = own;
  for (const child of childrenOf(pid)) total += pss(child) ?? 0;
  return total;
}

/**
 * Watches the peak of `familyMemory`, looking as often as `share` of one core allows: a look walks all pages of all
 * processes, some 40 ms for a gigabyte.
 */
export function watchPeakMemory(pid: number, share = 0.02): { peakBytes(): number | null; stop(): void } {
  let peak: number | null = null;
  let timer: NodeJS.Timeout;
  const look = () => {
    const started = performance.now();
    const now = familyMemory(pid);
    if (now !== null && now > (peak ?? 0)) peak = now;
    timer = setTimeout(look, LEAST_PAUSE_MS + (performance.now() - started) / share);
    timer.unref();
  };
  look();
  return { peakBytes: () => peak, stop: () => clearTimeout(timer) };
}

function pss(pid: number): number | null {
  try {
    const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}

function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = readFileSync(`/proc/${name}/stat`, 'utf8');
      // After the name in parentheses: state, then the parent's pid.
      if (Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]) === pid) children.push(Number(name));
    } catch {
      // It ended between the listing and the look.
    }
  }
  return children;
}
