import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type PinBench, pinBench } from './pin-fixture.ts';

let bench: PinBench;
beforeAll(async () => {
  bench = await pinBench();
});
beforeEach(() => rmSync(bench.folder, { recursive: true, force: true }));
afterAll(() => bench[Symbol.asyncDispose]());

function write(name: string, content: string | Buffer): void {
  const path = join(bench.folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** What the snapshot says of each file, with the rows that it gives to it. */
async function pinned(source: 'csv' | 'jsonl' = 'csv') {
  const { snapshot, rows } = await bench.pin({ source });
  let next = 0;
  return {
    snapshot,
    files: snapshot.files.map((file) => {
      const own = rows.slice(next, next + file.rows);
      next += file.rows;
      return { name: file.original?.path.slice(bench.folder.length + 1), piece: file.original?.piece, own };
    }),
    parquet: new Set(snapshot.files.map(({ key }) => key)).size,
  };
}

test('small files share a Parquet file, and each row stays that of its file', async () => {
  const sizes = Array.from({ length: 40 }, (_, at) => (at * 7) % 5);
  for (const [at, size] of sizes.entries()) {
    const lines = Array.from({ length: size }, (_, row) => `${at}-${row},${row}`);
    write(`${String(at).padStart(2, '0')}.csv`, ['id,x', ...lines, ''].join('\n'));
  }
  const { files, parquet, snapshot } = await pinned();
  expect(parquet).toBe(1);
  let firstRow = 0;
  for (const [at, size] of sizes.entries()) {
    expect(files[at]?.piece).toEqual({ index: at, firstRow });
    expect(files[at]?.own.map(({ id }) => id)).toEqual(
      Array.from({ length: size }, (_, row) => `${at}-${row}`),
    );
    firstRow += size;
  }
  expect(snapshot.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['id VARCHAR', 'x BIGINT']);
});

test('files of other forms between them change neither rows nor their order nor their types', async () => {
  write('a.csv', 'id,x\n1,1\n');
  write('b.csv', 'x,id\n2,2\n');
  write('c.csv', 'x,id\n3,3\n');
  write('d.csv', 'id,x\n4,4\nbroken\n5,5\n');
  write('e.csv', 'id,x\nbroken\n6,6\n');
  write('f.csv.gz', gzipSync('id,x\n7,7\n'));
  write('g.csv', 'id,x\n\n8,"8"\n');
  write('h.csv', 'id,x\r\n9,9\r\n');
  write('i.csv', 'id,x\n10,1.5\n');
  const { files, parquet, snapshot } = await pinned();
  expect(
    files.map(({ name, own }) => [name, ...own.map((row) => row._batchwright_line ?? `${row.id}:${row.x}`)]),
  ).toEqual([
    ['a.csv', '1:1'],
    ['b.csv', '2:2'],
    ['c.csv', '3:3'],
    ['d.csv', '4:4', 3, '5:5'],
    ['e.csv', 2, '6:6'],
    ['f.csv.gz', '7:7'],
    ['g.csv', '8:8'],
    ['h.csv', '9:9'],
    ['i.csv', '10:1.5'],
  ]);
  expect(files.map(({ piece }) => piece?.index ?? '-').join(' ')).toBe('- 0 1 0 1 0 1 - -');
  expect(parquet).toBe(6);
  expect(snapshot.columns.map(({ type }) => type)).toEqual(['BIGINT', 'DOUBLE']);
});

test('small files of several partition folders keep the values of their own', async () => {
  for (const [at, day] of ['01', '02', '__HIVE_DEFAULT_PARTITION__', '04'].entries()) {
    write(`day=${day}/x.csv`, `id\n${at}\n`);
    write(`day=${day}/y.csv`, `id\n${at}\nbroken,line\n`);
  }
  const { files, parquet } = await pinned();
  expect(parquet).toBe(8);
  expect(files.map(({ own }) => own[0]?.day)).toEqual(['01', '01', '02', '02', '04', '04', null, null]);
  rmSync(bench.folder, { recursive: true });
  const days = ['01', '02', '__HIVE_DEFAULT_PARTITION__'];
  for (const day of days) write(`day=${day}/x.jsonl`, `{"id":"${day}"}\n{"id":"${day}"}\n`);
  const lines = await pinned('jsonl');
  expect(lines.parquet).toBe(1);
  expect(lines.files.map(({ own }) => own.map(({ id, day }) => `${id} ${day}`))).toEqual(
    days.map((day, at) => [`${day} ${at < 2 ? day : null}`, `${day} ${at < 2 ? day : null}`]),
  );
});

test('JSON Lines with other keys in each file share a Parquet file all the same', async () => {
  write('a.jsonl', '{"id":1,"x":1}\n');
  write('b.jsonl', '');
  write('c.jsonl', '{"y":"t","id":2}\n{"id":3,"l":[1,2]}\n');
  write('d.jsonl', '{"id":4}\nbroken\n');
  write('e.jsonl', 'broken\n{"id":5,"y":"u"}\n');
  const { files, parquet } = await pinned('jsonl');
  expect(parquet).toBe(2);
  expect(files.map(({ piece }) => piece?.index)).toEqual([0, 1, 2, 0, 1]);
  expect(
    files.map(({ own }) => own.map((row) => [row.id, row.x, row.y, row.l, row._batchwright_line])),
  ).toEqual([
    [[1, 1, null, null, undefined]],
    [],
    [
      [2, null, 't', null, undefined],
      [3, null, null, [1, 2], undefined],
    ],
    [
      [4, null, null, null, null],
      [null, null, null, null, 2],
    ],
    [
      [null, null, null, null, 1],
      [5, null, 'u', null, null],
    ],
  ]);
});

test('a disagreement about one of many small files is found, though all together have as many rows and nulls', async () => {
  write('a.csv', 'id,x\n1,1\n2,\n');
  write('b.csv', 'id,x\n3,3\n');
  const swapped = [join(bench.folder, 'other-a.txt'), join(bench.folder, 'other-b.txt')];
  write('other-a.txt', 'id,x\n1,1\n');
  write('other-b.txt', 'id,x\n2,\n3,3\n');
  await expect(bench.pin({ source: 'csv', null: [''] }, { misread: swapped })).rejects.toMatchObject({
    code: 'SOURCE_CORRUPT',
    message: expect.stringMatching(/a\.csv: it has 2 records for one, 1 for the other/),
  });
  write('other-a.txt', 'id,x\n1,1\n2,2\n');
  write('other-b.txt', 'id,x\n3,\n');
  await expect(bench.pin({ source: 'csv', null: [''] }, { misread: swapped })).rejects.toMatchObject({
    code: 'SOURCE_CORRUPT',
    message: expect.stringMatching(/a\.csv: column x is null in 1 records for one, in 0 for the other/),
  });
});
