import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../core/errors.ts';
import type { AsOfSpec, JoinSpec } from '../../spec/job-spec.ts';
import { type TransformBench, transformBench } from './transform-fixture.ts';

vi.setConfig({ testTimeout: 240_000 });

let bench: TransformBench;
beforeAll(async () => {
  bench = await transformBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

interface Event {
  readonly key: string | null;
  /** Hours. */
  readonly at: number | null;
}

interface Known extends Event {
  readonly rank: number | null;
  readonly value: number | null;
}

/** What the documentation says, read row by row. Null: some row of the side input has a rival. */
function bruteForce(
  events: readonly Event[],
  side: readonly Known[],
  asOf: AsOfSpec,
): (number | null)[] | null {
  const usable = side.filter(({ key, at }) => key !== null && at !== null);
  const winners = new Map<string, Known[]>();
  for (const row of usable) {
    const place = `${row.key}|${row.at}`;
    const rivals = winners.get(place) ?? [];
    const best = rivals[0];
    const rank = (known: Known) => (asOf.latest_by === undefined || known.rank === null ? -1 : known.rank);
    if (best === undefined || rank(row) > rank(best)) winners.set(place, [row]);
    else if (rank(row) === rank(best)) rivals.push(row);
  }
  if ([...winners.values()].some((rivals) => rivals.length > 1)) return null;
  const candidates = [...winners.values()].flat();
  const maxAge = asOf.max_age === undefined ? Infinity : Number(asOf.max_age.split(' ')[0]);
  return events.map(({ key, at }) => {
    let latest: Known | null = null;
    for (const row of candidates) {
      if (row.key !== key || at === null || row.at === null) continue;
      if (asOf.inclusive === false ? row.at >= at : row.at > at) continue;
      if (latest?.at === null || latest === null || row.at > latest.at) latest = row;
    }
    return latest === null || (at ?? 0) - (latest.at ?? 0) > maxAge ? null : latest.value;
  });
}

const sqlText = (value: string | null) => (value === null ? 'NULL' : `'${value}'`);
const sqlTime = (hours: number | null, type: string) =>
  hours === null
    ? `NULL::${type}`
    : `(TIMESTAMP '2025-03-29 20:00:00' + ${hours} * INTERVAL 1 HOUR)::${type}`;
const number = (value: number | null) => (value === null ? 'NULL' : String(value));

const time = fc.option(fc.integer({ min: 0, max: 12 }));
const key = fc.option(fc.constantFrom('a', 'b', 'ß'), { freq: 8 });
const tables = fc.record({
  events: fc.array(fc.record({ key, at: time }), { maxLength: 12 }),
  side: fc.array(
    fc.record({
      key,
      at: time,
      rank: fc.option(fc.integer({ min: 0, max: 2 })),
      value: fc.option(fc.nat(99)),
    }),
    { maxLength: 14 },
  ),
  type: fc.constantFrom('TIMESTAMP', 'TIMESTAMPTZ'),
  inclusive: fc.boolean(),
  maxAge: fc.option(fc.constantFrom('1 hour', '3 hours', '5 hours'), { nil: undefined }),
  latestBy: fc.boolean(),
});

describe('a join as of a time', () => {
  test('gives each row what a program that looks at every pair gives it, in the order of the input', async () => {
    let ambiguous = 0;
    let matched = 0;
    await fc.assert(
      fc.asyncProperty(tables, async ({ events, side, type, inclusive, maxAge, latestBy }) => {
        const asOf: AsOfSpec = {
          input: 'at',
          side: 'since',
          inclusive,
          ...(maxAge === undefined ? {} : { max_age: maxAge }),
          ...(latestBy ? { latest_by: 'rank' } : {}),
        };
        const join: JoinSpec = { on: { customer: 'who' }, as_of: asOf, columns: ['value'], prefix: 'f_' };
        const input = [
          `(-1, NULL::VARCHAR, NULL::${type})`,
          ...events.map((row, at) => `(${at}, ${sqlText(row.key)}, ${sqlTime(row.at, type)})`),
        ];
        const rows = [
          `(NULL::VARCHAR, NULL::${type}, NULL::INTEGER, NULL::INTEGER)`,
          ...side.map(
            (row) =>
              `(${sqlText(row.key)}, ${sqlTime(row.at, type)}, ${number(row.rank)}, ${number(row.value)})`,
          ),
        ];
        const expected = bruteForce(events, side, asOf);
        const found = await bench
          .prepare<{ n: string; f_value: string | null }>(
            `SELECT * FROM (VALUES ${input.join(', ')}) t(n, customer, "at")`,
            {
              features: { sql: `SELECT * FROM (VALUES ${rows.join(', ')}) t(who, since, rank, value)`, join },
            },
            null,
          )
          .catch((error: unknown) => error as Failure);
        if (expected === null) {
          ambiguous += 1;
          expect(found).toMatchObject({
            code: 'JOIN_AMBIGUOUS',
            message: expect.stringContaining('Side input features'),
          });
          return;
        }
        if (found instanceof Error) throw found;
        expect(found.rows.map((row) => [row.n, row.f_value])).toEqual([
          ['-1', null],
          ...expected.map((value, at) => [String(at), value === null ? null : String(value)]),
        ]);
        matched += expected.filter((value) => value !== null).length;
      }),
      { numRuns: 100 },
    );
    // The tables are such that both happen.
    expect(ambiguous).toBeGreaterThan(3);
    expect(matched).toBeGreaterThan(20);
  });

  test('100,000 rows by 50,000 rows, against a program that searches each key by hand', async () => {
    const input = `SELECT i AS n, 'c' || (hash(i) % 5000) AS customer, TIMESTAMP '2025-01-01' + (hash(i + 7) % 10000000) * INTERVAL 1 SECOND AS at FROM range(100000) t(i)`;
    const side = `SELECT DISTINCT ON (customer, since) * FROM (SELECT 'c' || (hash(i * 3) % 6000) AS customer, TIMESTAMP '2025-01-01' + (hash(i * 5 + 1) % 10000000) * INTERVAL 1 SECOND AS since, i AS value FROM range(50000) t(i))`;
    const join: JoinSpec = {
      on: { customer: 'customer' },
      as_of: { input: 'at', side: 'since', max_age: '20 days' },
      prefix: 'f_',
    };
    const raw = await bench.prepare(
      side,
      {},
      'SELECT customer, epoch(since)::BIGINT AS since, value FROM input',
    );
    const byKey = new Map<string, { since: number; value: string }[]>();
    for (const row of raw.rows) {
      const rows = byKey.get(row.customer ?? '') ?? [];
      rows.push({ since: Number(row.since), value: row.value ?? '' });
      byKey.set(row.customer ?? '', rows);
    }
    const began = performance.now();
    const { rows, rowsBefore } = await bench.prepare(input, { features: { sql: side, join } }, null);
    const ms = performance.now() - began;
    expect(rowsBefore).toBe(100_000);
    expect(rows).toHaveLength(100_000);
    let matched = 0;
    for (const [at, row] of rows.entries()) {
      const when = Date.parse(`${row.at}Z`) / 1_000;
      let best: { since: number; value: string } | null = null;
      for (const known of byKey.get(row.customer ?? '') ?? [])
        if (known.since <= when && (best === null || known.since > best.since)) best = known;
      const expected = best === null || when - best.since > 20 * 86_400 ? null : best.value;
      if (row.n !== String(at) || row.f_value !== expected)
        throw new Error(`row ${at}: ${JSON.stringify(row)}, not ${expected}`);
      if (expected !== null) matched += 1;
    }
    expect(matched).toBeGreaterThan(10_000);
    expect(ms).toBeLessThan(60_000);
  });
});

describe('what cannot be joined is refused by name', () => {
  const INPUT = `SELECT 1 AS id, 'a' AS customer, TIMESTAMP '2025-01-01' AS at, 7 AS f`;
  const SIDE = `SELECT 'a' AS customer, TIMESTAMP '2024-01-01' AS since, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS zoned, 5 AS f, 1 AS num`;
  const on = { customer: 'customer' };
  test.each<[JoinSpec, string, RegExp]>([
    [
      { on, as_of: { input: 'at', side: 'zoned' }, prefix: 's_' },
      'TRANSFORM_INVALID',
      /different kinds of time/,
    ],
    [
      { on, as_of: { input: 'customer', side: 'since' }, prefix: 's_' },
      'TRANSFORM_INVALID',
      /customer is VARCHAR, which is no time/,
    ],
    [
      { on, as_of: { input: 'id', side: 'num', max_age: '3 days' }, prefix: 's_' },
      'TRANSFORM_INVALID',
      /max_age needs/,
    ],
    [
      { on: { customer: 'num' }, prefix: 's_' },
      'TRANSFORM_INVALID',
      /customer of the input is VARCHAR, num .* is INTEGER/,
    ],
    [{ on, as_of: { input: 'at', side: 'sinse' }, prefix: 's_' }, 'COLUMN_MISSING', /Did you mean 'since'/],
    [{ on, columns: ['f'] }, 'COLUMN_AMBIGUOUS', /second column f/],
  ])('%j', async (join, code, names) => {
    const failure = await bench
      .prepare(INPUT, { features: { sql: SIDE, join } }, null)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(names) });
  });

  test('two rows for one key, without a time', async () => {
    const side = `SELECT * FROM (VALUES ('a', 1), ('a', 2), ('b', 3)) t(customer, v)`;
    await expect(bench.prepare(INPUT, { features: { sql: side, join: { on } } }, null)).rejects.toMatchObject(
      { code: 'JOIN_AMBIGUOUS', message: expect.stringContaining('2 rows with "customer" a') },
    );
  });
});
