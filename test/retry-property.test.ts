import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, type Flags, workshop } from './support/workshop.ts';

vi.setConfig({ testTimeout: 600_000 });

const shop = workshop('retry-property', { model: '../identity.onnx', features: 'x', 'error-budget': '100%' });
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

/** What is wrong with a row; in `rounds`, in which round it is looked at, and whether the repair is one. */
interface Row {
  readonly state: 'good' | 'null' | 'malformed';
  readonly round: number;
  readonly isRepair: boolean;
}

const ROUNDS = 2;
const rowOf: fc.Arbitrary<Row> = fc.record({
  state: fc.constantFrom('good', 'null', 'malformed'),
  round: fc.nat(ROUNDS - 1),
  isRepair: fc.boolean(),
});
const tableOf = fc.array(fc.array(rowOf, { maxLength: 12 }), { minLength: 1, maxLength: 3 });

/** Each row with its number through all files, which is its id and its x. */
const line = (id: number, state: Row['state'], isText: boolean) => {
  if (state === 'malformed') return isText ? `${id},${id}` : `{"id":${id}`;
  const x = state === 'null' ? null : id;
  return isText ? `${id},${x ?? ''},row ${id}` : JSON.stringify({ id, x, name: `row ${id}` });
};

let benches = 0;

test('random tables, rejects and repairs over several rounds: what is published is what a run on clean data gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      tableOf,
      fc.constantFrom('csv', 'jsonl'),
      fc.boolean(),
      fc.constantFrom('csv', 'parquet', 'jsonl'),
      async (files, source, hasKey, destination) => {
        benches += 1;
        const bench = shop.bench(String(benches));
        const isText = source === 'csv';
        // Without a row that shows the types, the columns would be none that the model takes.
        const tables = [
          [{ state: 'good', round: 0, isRepair: true } as Row, ...(files[0] ?? [])],
          ...files.slice(1),
        ];
        const rows = tables.flat();
        const flags: Flags = {
          input: `in/*.${source}`,
          source,
          types: 'id=BIGINT,x=BIGINT,name=VARCHAR',
          destination,
          include: hasKey ? 'name' : 'id,name',
          key: hasKey ? 'id' : null,
        };
        let first = 0;
        mkdirSync(join(bench.folder, 'in'));
        for (const [index, table] of tables.entries()) {
          const from = first;
          const lines = table.map(({ state }, at) => line(from + at, state, isText));
          const text = [...(isText ? ['id,x,name'] : []), ...lines].map((each) => `${each}\n`).join('');
          writeFileSync(join(bench.folder, 'in', `${index}.${source}`), text);
          first += table.length;
        }
        const place = new Map(
          tables
            .flatMap((table, index) => table.map((_, at) => [index, at] as const))
            .map((each, id) => [id, each]),
        );
        const file = (id: number) => join(bench.folder, 'in', `${place.get(id)?.[0]}.${source}`).slice(1);
        const header = isText ? 2 : 1;
        const scored = new Set(rows.flatMap(({ state }, id) => (state === 'good' ? [id] : [])));

        const check = async (whole: unknown) => {
          expect(whole).toEqual({
            read: rows.length,
            scored: scored.size,
            rejected: rows.length - scored.size,
            filtered: 0,
          });
          const reader = { csv: 'read_csv', jsonl: 'read_json', parquet: 'read_parquet' }[destination];
          const found = await sql(
            `SELECT id::INTEGER AS id, name, y::INTEGER AS y FROM ${reader}('${bench.out}/part-*.${destination}') ORDER BY id, y`,
          );
          const wanted = [...scored].toSorted((a, b) => a - b);
          expect(found).toEqual(wanted.map((id) => ({ id, name: `row ${id}`, y: id })));
        };
        /** One file of keyed rejects, one of all others: a repair that is none leaves its row rejected, as a null. */
        const repair = async (ids: readonly number[], isRepair: (id: number) => boolean) => {
          const at = (id: number) => (place.get(id)?.[1] ?? 0) + header;
          const records = ids.map((id) => {
            const isMalformed = rows[id]?.state === 'malformed' && !seen.has(id);
            seen.add(id);
            return {
              id,
              x: isRepair(id) ? id : null,
              name: `row ${id}`,
              source_file: hasKey && !isMalformed ? null : file(id),
              ...(hasKey
                ? { source_line: isMalformed ? at(id) : null }
                : { source_row: place.get(id)?.[1] ?? 0 }),
            };
          });
          const halves = [records.filter((_, n) => n % 2 === 0), records.filter((_, n) => n % 2 === 1)];
          const paths = halves.flatMap((half, n) => {
            if (half.length === 0) return [];
            const path = join(bench.folder, `repair-${seen.size}-${n}.jsonl`);
            writeFileSync(path, half.map((record) => `${JSON.stringify(record)}\n`).join(''));
            return ['--repaired', path];
          });
          const job = expectCompleted(
            await bench.cli(['retry', 'latest', ...paths, '--state', 'state', '--json']),
          );
          for (const id of ids) if (isRepair(id)) scored.add(id);
          await check(job.retry?.whole);
        };
        /** Malformed records that were given a key: from then on they are told by it. */
        const seen = new Set<number>();

        await check(expectCompleted(await bench.run(flags)).counts);
        for (let round = 0; round < ROUNDS; round += 1) {
          const ids = rows.flatMap((row, id) => (!scored.has(id) && row.round === round ? [id] : []));
          if (ids.length > 0) await repair(ids, (id) => rows[id]?.isRepair === true);
        }
        const left = rows.flatMap((_, id) => (scored.has(id) ? [] : [id]));
        if (left.length > 0) await repair(left, () => true);
        expect(scored.size).toBe(rows.length);
        const { code, stdout } = await bench.cli(['verify', 'out', '--json']);
        expect({ code, stdout }).toMatchObject({ code: 0 });
      },
    ),
    // A run is up to four jobs, of several processes each.
    { numRuns: 3, endOnFailure: true, interruptAfterTimeLimit: 500_000 },
  );
});
