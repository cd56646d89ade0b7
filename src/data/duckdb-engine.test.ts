import { copyFile, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import duckdb from '@duckdb/node-bindings';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from './duckdb.ts';
import { createDataEngine } from './duckdb-engine.ts';
import { type EngineFixture, engineFixture, scoreShard } from './engine-fixture.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const signal = new AbortController().signal;

test('no statement reads or writes outside of the allowed folders, loads an extension or unlocks itself', async () => {
  const allowed = join(fixture.folder, 'allowed');
  await mkdir(allowed);
  await symlink('/etc', join(allowed, 'link'));
  const { database, connections } = await openDatabase(
    { threads: 1, memoryLimitMb: 256, tempDir: allowed, allowed: [allowed] },
    1,
  );
  const [connection] = connections;
  const run = (sql: string) => duckdb.query(connection as NonNullable<typeof connection>, sql);
  await run(`COPY (SELECT 1 AS x) TO '${allowed}/x.parquet'`);
  await run(`SELECT * FROM read_parquet('${allowed}/x.parquet')`);
  for (const sql of [
    `SELECT * FROM read_text('/etc/passwd')`,
    `SELECT * FROM read_text('${allowed}/../../../../../../etc/passwd')`,
    `SELECT * FROM read_text('${allowed}/link/passwd')`,
    `SELECT * FROM glob('/etc/*')`,
    `COPY (SELECT 1) TO '${fixture.folder}/outside.parquet'`,
    `COPY (SELECT 1) TO '${allowed}-beside.parquet'`,
    `ATTACH '${fixture.folder}/x.db'`,
    `INSTALL httpfs`,
    `LOAD httpfs`,
    `SET enable_external_access = true`,
    `SET allowed_directories = ['/']`,
    `SET memory_limit = '1TB'`,
    `SET lock_configuration = false`,
  ]) {
    await expect(run(sql), sql).rejects.toThrow(/Permission Error|configuration has been locked|disabled/);
  }
  duckdb.disconnect_sync(connection as NonNullable<typeof connection>);
  duckdb.close_sync(database);
});

test('an input outside of the allowed folders is refused by name', async () => {
  const inside = join(fixture.folder, 'inside');
  await mkdir(inside);
  const outside = await fixture.parquet('outside-in.parquet', 'SELECT 1 AS id');
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 256,
    tempDir: inside,
    allowed: [inside],
  });
  await expect(engine.describe([outside], signal)).rejects.toMatchObject({
    code: 'SOURCE_UNREADABLE',
    place: { file: outside },
  });
});

test('describe tells rows, row groups, types and which columns cannot be null', async () => {
  const path = await fixture.parquet(
    'facts.parquet',
    `SELECT i AS id, NULLIF(i, 4000) AS n, [i] AS l, 'x'::VARCHAR AS s, i::DECIMAL(18,3) AS d FROM range(5000) t(i)`,
  );
  expect(await fixture.engine.describe([path], signal)).toEqual([
    {
      path,
      rows: 5_000,
      rowGroups: [2_048, 2_048, 904],
      columns: [
        { name: 'id', type: 'BIGINT', neverNull: true },
        { name: 'n', type: 'BIGINT', neverNull: false },
        { name: 'l', type: 'BIGINT[]', neverNull: false },
        { name: 's', type: 'VARCHAR', neverNull: true },
        { name: 'd', type: 'DECIMAL(18,3)', neverNull: true },
      ],
    },
  ]);
});

test('a file that is cut off, empty, foreign, hostile or missing is named', async () => {
  const good = await fixture.parquet('good.parquet', `SELECT i AS id, random() AS x FROM range(5000) t(i)`);
  const bytes = await readFile(good);
  const bad = async (name: string, content: Uint8Array) => {
    await writeFile(join(fixture.folder, name), content);
    return join(fixture.folder, name);
  };
  const footer = bytes.readUInt32LE(bytes.length - 8);
  const garbled = Buffer.from(bytes);
  garbled.fill(0xff, bytes.length - 8 - footer, bytes.length - 8);
  const huge = Buffer.from(bytes);
  huge.writeUInt32LE(0x7fffffff, bytes.length - 8);
  for (const path of [
    await bad('cut.parquet', bytes.subarray(0, bytes.length / 2)),
    await bad('tail.parquet', bytes.subarray(0, bytes.length - 1)),
    await bad('empty.parquet', new Uint8Array()),
    await bad('text.parquet', Buffer.from('id,x\n1,2\n')),
    await bad('garbled.parquet', garbled),
    await bad('huge.parquet', huge),
  ]) {
    await expect(fixture.engine.describe([good, path], signal), path).rejects.toMatchObject({
      code: 'SOURCE_CORRUPT',
      place: { file: path },
    });
  }
  const missing = join(fixture.folder, 'missing.parquet');
  await expect(fixture.engine.describe([good, missing], signal)).rejects.toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    place: { file: missing },
  });
});

test('a page that is damaged fails the shard, naming the file', async () => {
  const path = await fixture.parquet(
    'page.parquet',
    `SELECT i AS id, random() AS x FROM range(20000) t(i)`,
    `COMPRESSION zstd`,
  );
  const request = await fixture.request([path], { features: [{ column: 'x', type: 'float64' }] });
  const bytes = await readFile(path);
  bytes.fill(0xa5, 40, bytes.length >> 1);
  await writeFile(path, bytes);
  await using reader = await fixture.engine.openShard(request);
  await expect(reader.next(1_000)).rejects.toMatchObject({ code: 'SOURCE_CORRUPT', place: { file: path } });
});

test('a file that has fewer rows than pinned fails instead of giving a shorter shard', async () => {
  const path = await fixture.parquet('shrunk.parquet', `SELECT i::DOUBLE AS x FROM range(3000) t(i)`);
  const request = await fixture.request([path], { features: [{ column: 'x', type: 'float64' }] });
  await fixture.parquet('shrunk.parquet', `SELECT i::DOUBLE AS x FROM range(2000) t(i)`);
  await using reader = await fixture.engine.openShard(request);
  await expect(
    (async () => {
      while ((await reader.next(1_000)) !== null);
    })(),
  ).rejects.toMatchObject({ code: 'SOURCE_CHANGED', place: { file: path } });
});

test('a file that grew in the middle of a shard does not shift the rows behind it', async () => {
  const paths: string[] = [];
  for (const index of [0, 1, 2]) {
    paths.push(await fixture.parquet(`grown-${index}.parquet`, `SELECT i::DOUBLE AS x FROM range(10) t(i)`));
  }
  for (const where of [undefined, 'x >= 0']) {
    const request = await fixture.request(paths, {
      features: [{ column: 'x', type: 'float64' }],
      ...(where === undefined ? {} : { where }),
    });
    await fixture.parquet('grown-1.parquet', `SELECT i::DOUBLE AS x FROM range(15) t(i)`);
    await using reader = await fixture.engine.openShard(request);
    await expect(reader.next(100)).rejects.toMatchObject({
      code: 'ACCOUNTING',
      message: 'Row 20 was read after row 24.',
    });
    await fixture.parquet('grown-1.parquet', `SELECT i::DOUBLE AS x FROM range(10) t(i)`);
  }
});

test('a file that shrank before the part is written leaves out no row in silence', async () => {
  const shrunk = (rows: number, nullFrom: number) =>
    fixture.parquet(
      'late.parquet',
      `SELECT i AS id, CASE WHEN i < ${nullFrom} THEN i END::DOUBLE AS x FROM range(${rows}) t(i)`,
    );
  for (const [nullFrom, left] of [
    [10, 5],
    [5, 7],
  ] as const) {
    const path = await shrunk(10, nullFrom);
    const request = await fixture.request([path], {
      features: [{ column: 'x', type: 'float64' }],
      key: 'id',
    });
    await using reader = await fixture.engine.openShard(request);
    const batch = await reader.next(100);
    if (batch === null) throw new Error('nothing read');
    const values = batch.columns[0]?.values as Float64Array;
    reader.append(batch.rowNumbers, [{ name: 's', type: 'float64', values }]);
    await reader.next(100);
    await shrunk(left, nullFrom);
    const target = {
      partPath: join(fixture.folder, `late-${left}.parquet`),
      rejectsPath: join(fixture.folder, `late-r-${left}.parquet`),
    };
    await expect(
      reader.write({
        end: 10,
        outputs: [{ name: 's', type: 'float64', shape: 'scalar' }],
        attempt: 1,
        ...target,
      }),
    ).rejects.toMatchObject({ code: 'ACCOUNTING' });
  }
});

test('files of different columns or types are refused, naming both and the column; another order is not', async () => {
  const first = await fixture.parquet('schema-0.parquet', `SELECT 1::BIGINT AS id, 'a' AS s`);
  const turned = await fixture.parquet('schema-1.parquet', `SELECT 'b' AS s, 2::BIGINT AS id`);
  const typed = await fixture.parquet('schema-2.parquet', `SELECT 1::INTEGER AS id, 'a' AS s`);
  const fewer = await fixture.parquet('schema-3.parquet', `SELECT 1::BIGINT AS id`);
  const more = await fixture.parquet('schema-4.parquet', `SELECT 1::BIGINT AS id, 'a' AS s, 1 AS z`);
  const described = await fixture.engine.describe([first, turned], signal);
  expect(described.map(({ columns }) => columns.map(({ name }) => name))).toEqual([
    ['id', 's'],
    ['id', 's'],
  ]);
  for (const [other, column] of [
    [typed, 'id'],
    [fewer, 's'],
    [more, 'z'],
  ] as const) {
    const failure = await fixture.engine.describe([first, other], signal).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'SCHEMA_MISMATCH', place: { file: other, field: column } });
    expect(String(failure)).toContain(first);
    expect(String(failure)).toContain(other);
  }
});

test('a column that hides the place of a row is refused', async () => {
  const path = await fixture.parquet('reserved.parquet', `SELECT 1 AS FILE_row_number`);
  await expect(fixture.engine.describe([path], signal)).rejects.toMatchObject({
    code: 'COLUMN_AMBIGUOUS',
    place: { field: 'FILE_row_number' },
  });
});

test('names that differ in letter case only are refused instead of renamed', async () => {
  const path = await fixture.parquet('case.parquet', `SELECT 1 AS "key", 2 AS "KEX"`);
  // DuckDB itself would not write such a file.
  await writeFile(
    path,
    Buffer.from((await readFile(path)).toString('latin1').replaceAll('KEX', 'KEY'), 'latin1'),
  );
  await expect(fixture.engine.describe([path], signal)).rejects.toMatchObject({ code: 'COLUMN_AMBIGUOUS' });
});

test('paths with the characters of patterns, quotes and partitions mean themselves', async () => {
  await mkdir(join(fixture.folder, 'x=1'));
  const source = await fixture.parquet('plain.parquet', `SELECT i AS id, i::DOUBLE AS x FROM range(10) t(i)`);
  const decoy = join(fixture.folder, 'a1.parquet');
  await writeFile(decoy, 'not parquet');
  for (const name of ['a[1].parquet', 'b*?.parquet', "it's.parquet", 'x=1/c.parquet']) {
    const path = join(fixture.folder, name);
    await copyFile(source, path);
    const reader = await fixture.engine.openShard(
      await fixture.request([path], { features: [{ column: 'x', type: 'float64' }], key: 'id' }),
    );
    const written = await scoreShard(
      reader,
      fixture.folder,
      'odd-path',
      100,
      [{ name: 's', type: 'float64', shape: 'scalar' }],
      (columns) => [{ name: 's', type: 'float64', values: columns[0]?.values as Float64Array }],
    );
    expect(written.counts.scored, name).toBe(10);
    expect(await fixture.query(`SELECT count(*) AS n FROM '${written.partPath}' WHERE s = id`), name).toEqual(
      [{ n: 10 }],
    );
  }
});

test('two thousand small files are described in seconds and scored as one shard', async () => {
  const rows = 2_000 * 5;
  await fixture.query(`SELECT 1`);
  const source = await fixture.parquet('small.parquet', `SELECT i AS id, i::DOUBLE AS x FROM range(5) t(i)`);
  await mkdir(join(fixture.folder, 'small'));
  const paths = Array.from({ length: 2_000 }, (_, index) =>
    join(fixture.folder, 'small', `${index}.parquet`),
  );
  await Promise.all(paths.map((path) => copyFile(source, path)));
  const request = await fixture.request(paths, {
    features: [{ column: 'x', type: 'float64' }],
    range: { start: 3, end: rows - 2 },
  });
  const reader = await fixture.engine.openShard(request);
  const written = await scoreShard(
    reader,
    fixture.folder,
    'small-out',
    1_000,
    [{ name: 's', type: 'float64', shape: 'scalar' }],
    (columns) => [{ name: 's', type: 'float64', values: columns[0]?.values as Float64Array }],
  );
  expect(written.counts).toEqual({ read: rows - 5, scored: rows - 5, rejected: 0, filtered: 0 });
  const [found] = await fixture.query(
    `SELECT count(*) AS n, count(DISTINCT source_file) AS files FROM '${written.partPath}' WHERE s = source_row`,
  );
  expect(found).toEqual({ n: rows - 5, files: 2_000 });
}, 60_000);

test('too little memory is said to be that, and leaves the engine usable', async () => {
  const path = await fixture.parquet(
    'memory.parquet',
    `SELECT i AS id, repeat(md5(i::VARCHAR), 40000) AS t FROM range(60) t(i)`,
    'ROW_GROUP_SIZE 60',
  );
  const temp = join(fixture.folder, 'no-spill');
  await writeFile(temp, '');
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 40,
    tempDir: join(temp, 'x'),
    allowed: [fixture.folder],
  });
  const request = await fixture.request([path], { features: [{ column: 't', type: 'string' }] });
  const reader = await engine.openShard(request);
  await expect(reader.next(1_000)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  await reader[Symbol.asyncDispose]();
  await truncate(temp, 0);
  expect((await engine.describe([path], signal))[0]?.rows).toBe(60);
});
