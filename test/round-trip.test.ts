import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { declaredType } from '../src/core/column-type.ts';
import { identityModel } from './onnx-builder.ts';
import { nastyTable, nastyTypes } from './support/nasty-values.ts';
import { sql } from './support/parquet.ts';
import { type Bench, expectCompleted, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('round-trip', {});
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

interface Column {
  readonly name: string;
  readonly type: string;
}

/** A column of each type that the form carries and that can be declared when it is read again. */
function columnsOf(form: string): Column[] {
  return nastyTypes()
    .filter((type) => declaredType(type) !== null)
    .filter((type) => !type.endsWith('[]') || (form === 'jsonl' && !/^(DECIMAL|DATE|TIMESTAMP)/.test(type)))
    .map((type, index) => ({ type, name: `v${index}` }));
}

/** What our readers refuse by line instead: NUL in a text, times outside of the years 1 to 9999. Null stands in its place. */
function readable(type: string): string {
  if (type === 'VARCHAR') return `CASE WHEN NOT contains(v, chr(0)) THEN v END`;
  if (type === 'VARCHAR[]')
    return `CASE WHEN NOT list_bool_or(list_transform(v, lambda t: contains(coalesce(t, ''), chr(0)))) THEN v END`;
  if (/^(DATE|TIMESTAMP)/.test(type))
    return `CASE WHEN isfinite(v) AND v BETWEEN '0001-01-01' AND '9999-12-31' THEN v END`;
  return 'v';
}

/** A job that passes columns through, from one form to another; the number of its rows. */
async function pass(
  bench: Bench,
  columns: readonly Column[],
  input: { source: string; path: string; features: string[]; types?: Record<string, string> },
  output: { destination: string; path: string; compression?: string },
): Promise<number> {
  const file = join(bench.folder, `${output.path}.yaml`);
  const include = columns.map(({ name }) => name);
  writeFileSync(
    file,
    JSON.stringify({
      model_id: '../identity.onnx',
      input: { ...input, key: 'id' },
      output: { ...output, include },
    }),
  );
  const { counts } = expectCompleted(await bench.run({ output: null }, { file }));
  expect(counts).toMatchObject({ rejected: 0, filtered: 0 });
  return counts.scored;
}

test.concurrent.each([
  ['csv', 'none', 'csv'],
  ['csv', 'gzip', 'csv.gz'],
  ['jsonl', 'none', 'jsonl'],
  ['jsonl', 'zstd', 'jsonl.zst'],
] as const)(
  'through %s (%s) and back, no value of any type is another one',
  async (form, compression, ending) => {
    const bench = shop.bench(`${form}-${compression}`);
    const columns = columnsOf(form);
    expect(columns.length).toBeGreaterThan(15);
    mkdirSync(join(bench.folder, 'in'));
    await sql(
      `COPY (SELECT id, 1::FLOAT AS x, ${columns.map(({ name }) => `t_${name}.v AS ${name}`).join(', ')} FROM (SELECT i AS id FROM range(400) r(i))
     ${columns.map(({ type, name }) => `LEFT JOIN (SELECT id, ${readable(type)} AS v FROM (${nastyTable(type)})) t_${name} USING (id)`).join(' ')} ORDER BY id)
     TO '${bench.folder}/in/a.parquet' (FORMAT parquet)`,
    );
    const text = {
      destination: form,
      path: 'text',
      ...(compression === 'none' ? {} : { compression }),
    };
    const rows = await pass(bench, columns, { source: 'parquet', path: 'in', features: ['x'] }, text);
    expect(rows).toBe(400);
    expect(
      readdirSync(join(bench.folder, 'text')).filter((name) => name.endsWith(`.${ending}`)),
    ).toHaveLength(1);

    const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]));
    const back = {
      source: form,
      path: `text/part-*.${ending}`,
      // The score of the first job is the feature of the second.
      features: ['y'],
      types: { ...types, id: 'BIGINT', y: 'FLOAT' },
    };
    expect(await pass(bench, columns, back, { destination: 'parquet', path: 'back' })).toBe(rows);
    for (const { name, type } of columns) {
      // As texts: -0 is not 0, NaN is NaN.
      const different = await sql(
        `SELECT a.id, a.${name}::VARCHAR AS was, b.${name}::VARCHAR AS is_now
       FROM read_parquet('${bench.folder}/in/a.parquet') a JOIN read_parquet('${bench.folder}/back/part-*.parquet') b USING (id)
       WHERE a.${name}::VARCHAR IS DISTINCT FROM b.${name}::VARCHAR OR typeof(a.${name}) <> typeof(b.${name}) ORDER BY 1 LIMIT 5`,
      );
      expect({ type, different }).toEqual({ type, different: [] });
    }
  },
);
