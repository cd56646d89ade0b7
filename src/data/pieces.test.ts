import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PIECE_COLUMN } from '../core/malformed-columns.ts';
import { type RowRange, segmentsOf } from '../core/snapshot.ts';
import type { ShardRequest } from './engine.ts';
import { type EngineFixture, engineFixture, scoreShard } from './engine-fixture.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** Sizes of originals; those in one list share a Parquet file. One that is alone is no piece. */
const FILES = [[3, 0, 1, 2_500, 7, 0], [1_000], [0, 5, 2_048, 1]];

/** A snapshot of all originals, in which row n says n, and what each row says of its place. */
async function snapshot() {
  const files: { path: string; rows: number; name: string; piece?: { index: number; firstRow: number } }[] =
    [];
  const places: string[] = [];
  for (const [at, sizes] of FILES.entries()) {
    const begin = places.length;
    const pieces: number[] = [];
    let firstRow = 0;
    for (const [index, rows] of sizes.entries()) {
      const name = `original-${at}-${index}`;
      const piece = sizes.length === 1 ? {} : { piece: { index, firstRow } };
      files.push({ path: '', rows, name, ...piece });
      for (let row = 0; row < rows; row += 1) {
        places.push(`${name} ${row}`);
        pieces.push(index);
      }
      firstRow += rows;
    }
    const column = sizes.length === 1 ? '' : `, [${pieces.join(', ')}][i + 1]::INTEGER AS ${PIECE_COLUMN}`;
    const path = await fixture.parquet(
      `pieces-${at}.parquet`,
      `SELECT (i + ${begin})::BIGINT AS n, (i + ${begin})::DOUBLE AS x${column} FROM range(${pieces.length}) t(i)`,
      'ROW_GROUP_SIZE 2048, DICTIONARY_SIZE_LIMIT 1',
    );
    for (const file of files) if (file.path === '') file.path = path;
  }
  return { files, places };
}

test('rows of files that share a Parquet file keep number and place, wherever shards are cut, on both ways of reading', async () => {
  const { files, places } = await snapshot();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: places.length - 1 }), { maxLength: 3 }),
      fc.boolean(),
      async (cuts, isPlain) => {
        run += 1;
        const borders = [0, ...cuts.sort((a, b) => a - b), places.length];
        for (let at = 0; at + 1 < borders.length; at += 1) {
          const range = { start: borders[at] as number, end: borders[at + 1] as number };
          const reader = await fixture.engine.openShard(requestOf(files, range, isPlain));
          const scored = await scoreShard(reader, fixture.folder, `p${run}-${at}`, 700, SCORE, (columns) => [
            { name: 'score', type: 'float64', values: Float64Array.from(columns[0]?.values as Float64Array) },
          ]);
          const rows = await fixture.query<{ place: string; n: number; score: number }>(
            `SELECT source_file || ' ' || source_row AS place, n, score FROM '${scored.partPath}'`,
          );
          expect(rows).toEqual(
            places
              .slice(range.start, range.end)
              .map((place, row) => ({ place, n: range.start + row, score: range.start + row })),
          );
        }
      },
    ),
    {
      numRuns: 12,
      examples: [
        [[3, 2_504], true],
        [[3, 2_504], false],
      ],
    },
  );
});

test('rows of one of them that were never scored are gathered, and no others', async () => {
  const { files, places } = await snapshot();
  const range = { start: 2, end: places.length };
  for (const [at, segment] of requestOf(files, range, true).segments.entries()) {
    const to = `${fixture.folder}/missing-${at}.parquet`;
    const { columns } = requestOf(files, range, true);
    await fixture.engine.missingRows({ columns, key: null, segment, to });
    const rows = await fixture.query<{ place: string; n: number }>(
      `SELECT _batchwright_source_file || ' ' || _batchwright_source_row AS place, n FROM '${to}'`,
    );
    const first = segment.fileOffset + segment.start;
    expect(rows).toEqual(
      places.slice(first, segment.fileOffset + segment.end).map((place, row) => ({ place, n: first + row })),
    );
  }
});

const SCORE = [{ name: 'score', type: 'float64', shape: 'scalar' }] as const;

function requestOf(
  files: Awaited<ReturnType<typeof snapshot>>['files'],
  range: RowRange,
  isPlain: boolean,
): ShardRequest {
  return {
    range,
    segments: segmentsOf(files, range).map((segment) => {
      const { path, name, piece } = files[segment.file] as (typeof files)[number];
      return { ...segment, path, sourceName: name, ...(piece === undefined ? {} : { piece }) };
    }),
    columns: [
      { name: 'n', type: 'BIGINT', neverNull: true },
      { name: 'x', type: 'DOUBLE', neverNull: true },
    ],
    features: [{ column: 'x', type: 'float64' }],
    // A condition is DuckDB's.
    ...(isPlain ? {} : { where: 'n >= 0' }),
    onNull: 'reject',
    include: ['n'],
  };
}
