import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import duckdb, { type Connection } from '@duckdb/node-bindings';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Column } from '../core/columns.ts';
import { ARROW_FILES } from './arrow-pages-fixture.ts';
import type { ShardRequest } from './engine.ts';
import { type EngineFixture, engineFixture, scoreShard } from './engine-fixture.ts';
import { type Bridge, createBridge } from './native-bridge.ts';
import { openScan, PlainScan } from './plain-scan.ts';
import type { RecordScan } from './record-scan.ts';
import { openShardReader } from './shard-reader.ts';
import { ShardScan } from './shard-scan.ts';

let fixture: EngineFixture;
let connection: Connection;
let bridge: Bridge;
beforeAll(async () => {
  fixture = await engineFixture();
  connection = await duckdb.connect(await duckdb.open(':memory:'));
  await duckdb.query(connection, 'SET threads = 1');
  bridge = createBridge(connection, 0);
});
afterAll(async () => {
  duckdb.disconnect_sync(connection);
  await fixture[Symbol.asyncDispose]();
});

const FEATURES = [
  { column: 'a', type: 'float32' },
  { column: 'b', type: 'float64' },
  { column: 'c', type: 'int32' },
  { column: 'd', type: 'int64' },
  { column: 'e', type: 'float32' },
] as const;

/** Stands for a DuckDB that must not be asked for anything. */
const NO_DUCKDB = {} as Bridge;

/** Where in something, from 0 to almost 1. */
const PLACE = fc.noBias(fc.nat(9_999)).map((part) => part / 10_000);

type Kind = 'plain' | 'nulls' | 'dictionary';

/** Values that do not repeat, so that DuckDB writes them plain; or some nulls, or few different values in `d`. */
function select(first: number, rows: number, kind: Kind): string {
  const i = `(${first} + i)`;
  const e = kind === 'nulls' ? `CASE WHEN i % 1999 = 1500 THEN NULL ELSE ${i} END` : i;
  const d = kind === 'dictionary' ? 'i % 7' : `${i} * 4294967311`;
  return `SELECT ${i} AS id, (${i} * 0.5)::FLOAT AS a, ('x' || i) AS t, sqrt(${i})::DOUBLE AS b, (-${i} * 3)::INTEGER AS c,
            (${d})::BIGINT AS d, (${e} * 0.25)::FLOAT AS e FROM range(${rows}) r(i)`;
}

interface ReadBatch {
  readonly rows: number;
  readonly rowNumbers: string;
  readonly columns: readonly string[];
}

const numbersOf = ({ rowNumbers }: ReadBatch): string => rowNumbers;

/** What came of reading it all: digests of the batches, the rejects, and how it ended. */
async function readAll(
  scan: RecordScan,
  sizes: readonly number[],
): Promise<{ batches: ReadBatch[]; end: unknown; rejects: unknown[] }> {
  const batches: ReadBatch[] = [];
  let end: unknown = 'end';
  try {
    for (let turn = 0; ; turn += 1) {
      const batch = await scan.next(sizes[turn % sizes.length] as number);
      if (batch === null) break;
      batches.push({
        rows: batch.rows,
        rowNumbers: digest(batch.rowNumbers),
        columns: batch.columns.map(
          ({ name, type, values }) => `${name} ${type} ${digest(values as Float64Array)}`,
        ),
      });
    }
  } catch (error) {
    end = (error as { code?: string }).code ?? error;
  }
  await scan.close();
  return { batches, end, rejects: [...scan.rejects] };
}

function digest(values: ArrayBufferView): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** Reads a range in both ways, which must give the same, and says why the plain way gave up if it did. */
async function readBothWays(request: ShardRequest, sizes: readonly number[]): Promise<string | null> {
  const plain = openScan(request, bridge);
  if (!(plain instanceof PlainScan)) throw new Error('not even tried');
  const found = await readAll(plain, sizes);
  expect(found).toEqual(await readAll(new ShardScan(request, bridge), sizes));
  return plain.handedOver;
}

test('both ways give the same batches, wherever files, row groups, shards and batches are cut', async () => {
  let run = 0;
  const file = fc.record({
    rows: fc.constantFrom(2_047, 2_048, 2_049, 4_096, 5_000, 6_145),
    kind: fc.constantFrom<Kind>('plain', 'plain', 'plain', 'plain', 'nulls', 'dictionary'),
    codec: fc.constantFrom('uncompressed', 'snappy', 'zstd', 'gzip'),
    group: fc.constantFrom(2_048, 4_096, 100_000),
  });
  const handed = { over: 0, not: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(file, { minLength: 1, maxLength: 3 }),
      PLACE,
      PLACE,
      fc.array(fc.constantFrom(1, 700, 1_000, 2_048, 4_096, 20_000), { minLength: 1, maxLength: 3 }),
      async (files, one, other, sizes) => {
        run += 1;
        const paths: string[] = [];
        let rows = 0;
        for (const [index, { rows: count, kind, codec, group }] of files.entries()) {
          const options = `COMPRESSION ${codec}, ROW_GROUP_SIZE ${group}`;
          paths.push(
            await fixture.parquet(`both-${run}-${index}.parquet`, select(rows, count, kind), options),
          );
          rows += count;
        }
        const [start, end] = [one, other].map((at) => Math.round(at * rows)).sort((x, y) => x - y);
        if (start === end) return;
        const request = await fixture.request(paths, {
          range: { start: start as number, end: end as number },
          features: FEATURES,
        });
        // Batches of a single row would take a while.
        const rowsPerTurn = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
        const reason = await readBothWays(request, rowsPerTurn < 100 ? [333] : sizes);
        if (reason === null) handed.not += 1;
        else handed.over += 1;
        const touched = new Set(request.segments.map(({ file }) => files[file]?.kind));
        if (!touched.has('nulls') && !touched.has('dictionary')) expect(reason).toBeNull();
        if (touched.has('dictionary')) expect(reason).not.toBeNull();
      },
    ),
    { numRuns: 60 },
  );
  expect(Math.min(handed.over, handed.not)).toBeGreaterThan(5);
}, 120_000);

test.each(Object.entries(ARROW_FILES))('what pyarrow writes reads the same: %s', async (name, base64) => {
  const path = join(fixture.folder, `${name}.parquet`);
  await writeFile(path, Buffer.from(base64, 'base64'));
  const features = [
    { column: 'b', type: 'int64' },
    { column: 'a', type: 'float32' },
  ] as const;
  for (const [start, end] of [
    [0, 300],
    [3, 199],
    [70, 201],
    [251, 300],
  ] as const) {
    const request = await fixture.request([path], { features, range: { start, end } });
    const reason = await readBothWays(request, [64, 7, 100]);
    const holdsNull = name.includes('null') && end > 200;
    if (holdsNull) expect(reason).toMatch(/nulls/);
    else expect(reason).toBeNull();
  }
});

test('a shard of plain columns is read without DuckDB, and its file is closed afterwards', async () => {
  const paths = [
    await fixture.parquet('alone-0.parquet', select(0, 5_000, 'plain'), 'ROW_GROUP_SIZE 2048'),
    await fixture.parquet('alone-1.parquet', select(5_000, 5_000, 'plain'), 'ROW_GROUP_SIZE 2048'),
  ];
  const request = await fixture.request(paths, {
    features: FEATURES,
    key: 'id',
    range: { start: 10, end: 9_990 },
  });
  let released = false;
  await using reader = openShardReader(request, NO_DUCKDB, () => {
    released = true;
  });
  let rows = 0;
  for (;;) {
    const batch = await reader.next(1_000);
    if (batch === null) break;
    const values = batch.columns[4]?.values as Float32Array;
    for (let at = 0; at < batch.rows; at += 1) {
      if (batch.rowNumbers[at] !== 10 + rows + at || values[at] !== (10 + rows + at) / 4) {
        expect.unreachable(`row ${at} of the batch at ${rows} is wrong`);
      }
    }
    rows += batch.rows;
    if (rows === 3_000) expect(openFiles().filter((path) => paths.includes(path))).toHaveLength(1);
  }
  expect(rows).toBe(9_980);
  await reader[Symbol.asyncDispose]();
  expect(released).toBe(true);
  expect(openFiles().filter((path) => paths.includes(path))).toEqual([]);
});

test('DuckDB takes over at a null after rows that were given out, and neither loses nor repeats one', async () => {
  const nullable = select(0, 10_000, 'plain')
    .replace('AS e', 'AS e')
    .replace('(0 + i) * 0.25', 'NULLIF(0 + i, 7777) * 0.25');
  const path = await fixture.parquet('late.parquet', nullable, 'ROW_GROUP_SIZE 2048');
  const request = await fixture.request([path], { features: FEATURES, key: 'id' });
  const scan = openScan(request, bridge) as PlainScan;
  const numbers: number[] = [];
  for (;;) {
    const batch = await scan.next(1_000);
    if (batch === null) break;
    numbers.push(...batch.rowNumbers);
    // The row group with the null begins at 6,144: rows from there on, and the two batches' rest before, are DuckDB's.
    if (numbers.length <= 6_000) expect(scan.handedOver).toBeNull();
    else expect(scan.handedOver).toMatch(/nulls/);
  }
  expect(numbers).toEqual(Array.from({ length: 10_000 }, (_, row) => row).filter((row) => row !== 7_777));
  expect(scan.rejects).toMatchObject([{ rowNumber: 7_777, code: 'NULL_FEATURE' }]);
  await scan.close();
});

test('the parts of both ways are the same, byte for byte', async () => {
  const sum = (columns: readonly Column[], rowNumbers: Float64Array): Column[] => [
    {
      name: 'score',
      type: 'float64',
      values: Float64Array.from(rowNumbers, (_, row) =>
        columns.reduce((total, { values }) => total + Number(values[row]), 0),
      ),
    },
  ];
  const paths = [
    await fixture.parquet('parts-0.parquet', select(0, 7_000, 'plain'), 'ROW_GROUP_SIZE 2048'),
    await fixture.parquet('parts-1.parquet', select(7_000, 7_000, 'nulls'), 'ROW_GROUP_SIZE 2048'),
  ];
  const outputs = [{ name: 'score', type: 'float64', shape: 'scalar' }] as const;
  const write = async (name: string, request: ShardRequest) => {
    const reader = await fixture.engine.openShard(request);
    const written = await scoreShard(reader, fixture.folder, name, 1_000, outputs, sum);
    return {
      counts: written.counts,
      part: await readFile(written.partPath),
      rejects: await readFile(written.rejectsPath),
    };
  };
  const request = await fixture.request(paths, { features: FEATURES, key: 'id', include: ['t'] });
  const plain = await write('parts-plain', request);
  const general = await write('parts-general', { ...request, where: 'id >= 0' });
  expect(plain.counts).toEqual({ read: 14_000, scored: 13_997, rejected: 3, filtered: 0 });
  expect(plain.counts).toEqual(general.counts);
  expect(plain.part.equals(general.part)).toBe(true);
  expect(plain.rejects.equals(general.rejects)).toBe(true);
});

test('what the request asks for beyond plain columns is DuckDB’s from the start', async () => {
  const path = await fixture.parquet('asks.parquet', select(0, 100, 'plain'));
  const nullKey = await fixture.parquet(
    'null-key.parquet',
    `SELECT NULLIF(i, 3) AS id, i::FLOAT AS a FROM range(9) t(i)`,
  );
  const asks = async (file: string, request: Partial<ShardRequest>) =>
    openScan(await fixture.request([file], { features: [FEATURES[0]], ...request }), bridge) instanceof
    PlainScan;
  expect(await asks(path, { key: 'id' })).toBe(true);
  expect(await asks(path, { where: 'id > 3' })).toBe(false);
  expect(await asks(path, { features: [] })).toBe(false);
  expect(await asks(path, { features: [{ column: 'a', type: 'float64' }] })).toBe(false);
  expect(await asks(path, { features: [{ column: 'c', type: 'int64' }] })).toBe(false);
  expect(await asks(path, { features: [{ column: 't', type: 'string' }] })).toBe(false);
  expect(await asks(nullKey, { key: 'id' })).toBe(false);
  await expect(
    asks(path, { features: [FEATURES[0], { column: 'nope', type: 'float32' }] }),
  ).rejects.toMatchObject({
    code: 'COLUMN_MISSING',
  });
});

test('unsigned and small whole numbers, dates and times are not taken for plain ones, whatever the request says', async () => {
  const path = await fixture.parquet(
    'meanings.parquet',
    `SELECT i::UINTEGER AS u, i::TINYINT AS s, DATE '2020-01-01' + i::INTEGER AS d, i::UBIGINT AS v,
            TIMESTAMP '2020-01-01' + INTERVAL (i) DAY AS ts, i::DECIMAL(9, 2) AS m,
            make_timestamp_ns(i) AS tn FROM range(100) t(i)`,
  );
  const described = await fixture.request([path], {});
  for (const [column, type, duckdbType] of [
    ['u', 'int32', 'INTEGER'],
    ['s', 'int32', 'INTEGER'],
    ['d', 'int32', 'INTEGER'],
    ['m', 'int32', 'INTEGER'],
    ['v', 'int64', 'BIGINT'],
    ['ts', 'int64', 'BIGINT'],
    ['tn', 'int64', 'BIGINT'],
  ] as const) {
    const columns = described.columns.map((found) =>
      found.name === column ? { ...found, type: duckdbType } : found,
    );
    const scan = openScan({ ...described, columns, features: [{ column, type }] }, bridge) as PlainScan;
    await scan.next(10).catch(() => null);
    expect([column, scan.handedOver]).toEqual([column, expect.stringContaining('does not lie as')]);
    await scan.close();
  }
});

test('a file that has shrunk or grown since it was pinned ends as it does in the other way', async () => {
  for (const [index, rows] of [2_999, 3_001, 10, 6_000].entries()) {
    const paths = [
      await fixture.parquet(`moved-${index}-0.parquet`, select(0, 3_000, 'plain')),
      await fixture.parquet(`moved-${index}-1.parquet`, select(3_000, 3_000, 'plain')),
    ];
    const request = await fixture.request(paths, { features: FEATURES });
    await fixture.parquet(`moved-${index}-0.parquet`, select(0, rows, 'plain'));
    expect(await readBothWays(request, [1_000])).toMatch(/rows/);
  }
});

/**
 * DuckDB refuses some files for what the plain way has no use for, as statistics that cannot be parsed: whoever gives out
 * the rows of the intact file is right, too.
 */
test('files that were cut off or changed in one byte end as they do in the other way, or as if intact', async () => {
  const sources: Buffer[] = [];
  let request: ShardRequest | null = null;
  for (const codec of ['uncompressed', 'snappy', 'zstd', 'gzip']) {
    const path = await fixture.parquet(
      `flip-${codec}.parquet`,
      select(0, 3_000, 'plain'),
      `COMPRESSION ${codec}, ROW_GROUP_SIZE 2048`,
    );
    sources.push(await readFile(path));
    request ??= await fixture.request([path], { features: [FEATURES[0], FEATURES[3]] });
  }
  const intact = await readAll(new ShardScan(request as unknown as ShardRequest, bridge), [1_000]);
  let run = 0;
  const ends = { over: 0, not: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.nat(sources.length - 1),
      fc.constantFrom(
        'flip',
        'flip',
        'flip in the footer',
        'flip in the footer',
        'flip in a page header',
        'cut',
      ),
      PLACE,
      fc.integer({ min: 1, max: 255 }),
      async (index, what, place, change) => {
        run += 1;
        const source = sources[index] as Buffer;
        const bytes = Buffer.from(source);
        const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
        let at = Math.floor(place * bytes.length);
        if (what === 'flip in the footer') at = footer + Math.floor(place * (bytes.length - footer));
        if (what === 'flip in a page header') at = 4 + Math.floor(place * 40);
        bytes[at] = (bytes[at] as number) ^ change;
        const path = join(fixture.folder, `flipped-${run}.parquet`);
        await writeFile(path, what === 'cut' ? source.subarray(0, at) : bytes);
        const { segments, ...rest } = request as ShardRequest;
        const flipped = { ...rest, segments: segments.map((segment) => ({ ...segment, path })) };
        const plain = openScan(flipped, bridge) as PlainScan;
        const found = await readAll(plain, [1_000]);
        const general = await readAll(new ShardScan(flipped, bridge), [1_000]);
        // DuckDB does not check GZIP's checksums: what it reads then is chance, but not how many rows.
        const isChance = source === sources.at(-1) && plain.handedOver !== null && found.end === 'end';
        if (isChance) {
          expect(found.batches.map(numbersOf)).toEqual(intact.batches.map(numbersOf));
          ends.over += 1;
          return;
        }
        // How far either came before it met an error is a matter of its read-ahead.
        if (typeof general.end === 'string' && general.end !== 'end' && found.end === general.end) {
          const both = Math.min(found.batches.length, general.batches.length);
          expect(found.batches.slice(0, both)).toEqual(general.batches.slice(0, both));
        } else expect([general, intact]).toContainEqual(found);
        if (plain.handedOver === null) ends.not += 1;
        else ends.over += 1;
      },
    ),
    { numRuns: 300 },
  );
  expect(Math.min(ends.over, ends.not)).toBeGreaterThan(20);
}, 120_000);

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
