import { expect, test } from 'vitest';
import type { JobStatus } from '../core/wire.ts';
import { createPace } from './pace.ts';
import { openProgressView, progressLine } from './progress-view.ts';
import { textWidth } from './text-width.ts';

const CREATED = '2026-01-01T00:00:00.000Z';
const START = Date.parse(CREATED);

function status(overrides: Partial<JobStatus> & { done?: number; of?: number | null }): JobStatus {
  const { done = 0, of = 1_000_000, ...rest } = overrides;
  return {
    status: 'running',
    name: 'churn',
    created_at: CREATED,
    progress: {
      total_rows: of,
      processed_rows: done,
      percentage: of === null || of === 0 ? 0 : Math.floor((1_000 * done) / of) / 10,
    },
    counts: { read: done, scored: done, rejected: 0, filtered: 0 },
    retries: 0,
    workers: 2,
    ...rest,
  } as JobStatus;
}

test('the line fits the terminal at every width, and keeps the share that is done', () => {
  const busy = status({
    done: 500_000,
    retries: 3,
    counts: { read: 0, scored: 0, rejected: 12, filtered: 0 },
  });
  for (let width = 30; width <= 200; width += 1) {
    const line = progressLine(busy, 12_345, START, width);
    expect(textWidth(line)).toBeLessThanOrEqual(width);
    expect(line).toContain('50.0%');
  }
  expect(progressLine(busy, 12_345, START, 200)).toContain('12 rejected');
  expect(progressLine(busy, 12_345, START, 200)).toContain('3 retried');
  expect(progressLine(status({ name: 'x'.repeat(500), of: null }), null, START, 50)).toHaveLength(52);
});

test('a job without rows, or a name with escapes, is no trouble', () => {
  expect(progressLine(status({ of: 0 }), 0, START, 80)).toContain('0.0%');
  expect(progressLine(status({ of: null, name: '\x1b[2J' }), null, START + 1_500, 80)).toContain(
    '\\x1b[2J  1.5 s',
  );
});

test('a terminal made narrower while the line stands there is wiped as far as the line was folded', () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 100, write: (text: string) => written.push(text) };
  const view = openProgressView(stream, () => START, {}, false);
  view.update(status({ done: 10 }));
  const width = textWidth((written[0] as string).replace('\r\x1b[J', ''));
  stream.columns = 30;
  view.update(status({ done: 20 }));
  expect(written[1]).toMatch(new RegExp(`^\\x1b\\[${Math.ceil(width / 30) - 1}A\\r\\x1b\\[J`));
  view.close();
  expect(written[2]).toBe('\r\x1b[J');
  view.close();
  expect(written).toHaveLength(3);
});

test('without a terminal, or on a dumb one, there are lines and no escapes, and not too many', () => {
  for (const [isTTY, environment] of [
    [false, {}],
    [true, { TERM: 'dumb' }],
  ] as const) {
    const written: string[] = [];
    let now = START;
    const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) };
    const view = openProgressView(stream, () => now, environment, true);
    for (let second = 0; second < 11; second += 1) {
      view.update(status({ done: second * 1_000 }));
      now += 1_000;
    }
    view.close();
    expect(written).toHaveLength(3);
    expect(written.join('')).not.toContain('\x1b');
  }
});

test('the time left is reckoned from what goes on now, not from a first claim of yesterday', () => {
  const pace = createPace();
  expect(pace.update(status({ done: 900_000 }), START)).toBeNull();
  expect(pace.update(status({ done: 901_000 }), START + 1_000)).toBeNull();
  expect(pace.update(status({ done: 902_000 }), START + 2_000)).toBe(1_000);
  // It stands still: no time left can be told.
  for (let at = 3_000; at <= 30_000; at += 1_000) pace.update(status({ done: 902_000 }), START + at);
  expect(pace.update(status({ done: 902_000 }), START + 31_000)).toBe(0);
  expect(progressLine(status({ done: 902_000 }), 0, START, 200)).not.toContain('left');
  // A worker was lost, and its rows with it.
  expect(pace.update(status({ done: 850_000 }), START + 32_000)).toBeNull();
});
