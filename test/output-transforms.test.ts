import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { listModel, zipMapModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('transforms', {
  model: null,
  input: null,
  output: null,
});

beforeAll(() => {
  // Class yes has the probability sigmoid(a - b).
  writeFileSync(join(shop.home, 'classifier.onnx'), zipMapModel(['no', 'yes']));
  // y = a * [1, 2, 3, 4]
  writeFileSync(join(shop.home, 'logits.onnx'), listModel(4));
});
afterAll(() => shop.remove());

/** A bench with 10 rows, `a` = i - 4 and `b` = 0, and a job file that publishes as given. */
async function job(name: string, model: string, output: object, a = 'i - 4') {
  const bench = shop.bench(name);
  await sql(
    `COPY (SELECT i AS id, (${a})::FLOAT AS a, 0::FLOAT AS b FROM range(10) t(i)) TO '${bench.folder}/in.parquet' (FORMAT parquet)`,
  );
  const file = {
    model_id: `../${model}.onnx`,
    input: { source: 'parquet', path: 'in.parquet', key: 'id', features: ['a', 'b'] },
    output: { destination: 'parquet', path: 'out', ...output },
  };
  writeFileSync(join(bench.folder, 'job.json'), JSON.stringify(file));
  return bench;
}

const published = (out: string, what = '*') =>
  sql(`SELECT ${what} FROM read_parquet('${out}/part-*.parquet') ORDER BY id`);

test.concurrent('a classifier: best class and its probability, a column for each class, a decision, constants', async () => {
  const bench = await job('classifier', 'classifier', {
    columns: { label: 'predicted' },
    flatten: { probability: 'p_' },
    argmax: { probability: { label: 'best', score: 'p' } },
    top_k: { probability: { k: 2, labels: 'order' } },
    threshold: { sure: { output: 'probability[yes]', at_least: 0.9 } },
    constants: {
      region: 'EU\'s "best" — ☃',
      batch: 7,
      job: { from: 'job_id' },
      digest: { from: 'model_sha256' },
      scored_at: { from: 'scored_at' },
    },
  });
  const { job_id: id, created_at } = expectCompleted(await bench.run({}, { file: 'job.json' }));
  const rows = await published(bench.out);
  expect(Object.keys(rows[0] ?? {})).toEqual([
    'id',
    'predicted',
    'p_no',
    'p_yes',
    'best',
    'p',
    'order',
    'sure',
    'region',
    'batch',
    'job',
    'digest',
    'scored_at',
  ]);
  for (const [i, row] of rows.entries()) {
    const yes = 1 / (1 + Math.exp(-(i - 4)));
    expect(row.p_yes).toBeCloseTo(yes, 5);
    expect(row.p_no).toBeCloseTo(1 - yes, 5);
    // A tie, in the middle, goes to the class that the model names first.
    expect(row.best).toBe(i > 4 ? 'yes' : 'no');
    expect(row.order).toEqual(i > 4 ? ['yes', 'no'] : ['no', 'yes']);
    expect(row.p).toBe(Math.max(row.p_yes as number, row.p_no as number));
    expect(row.sure).toBe((row.p_yes as number) >= 0.9);
    expect(row).toMatchObject({ region: 'EU\'s "best" — ☃', batch: '7', job: id });
    expect(row.digest).toMatch(/^[0-9a-f]{64}$/);
  }
  expect(await published(bench.out, `epoch_ms(scored_at) AS ms, id`)).toEqual(
    rows.map(({ id: key }) => ({ ms: String(Date.parse(created_at)), id: key })),
  );
  const manifest = JSON.parse(readFileSync(join(bench.out, '_manifest.json'), 'utf8'));
  const { predicate } = JSON.parse(Buffer.from(manifest.payload, 'base64').toString('utf8'));
  expect(predicate.model.binding.constants).toContainEqual({ column: 'job', type: 'VARCHAR', value: id });
  expect(predicate.model.binding.outputs).toContainEqual(
    expect.objectContaining({
      column: 'best',
      derived: { softmax: false, give: { kind: 'argmax', of: 'labels' } },
    }),
  );
});

test.concurrent('logits: softmax, then the best three classes with their probabilities, as lists', async () => {
  const bench = await job('logits', 'logits', {
    softmax: ['y'],
    top_k: { y: { k: 3, labels: 'top', scores: 'p_top' } },
  });
  expectCompleted(await bench.run({}, { file: 'job.json' }));
  const rows = await published(bench.out, 'id, top, p_top');
  for (const [i, row] of rows.entries()) {
    const powers = [1, 2, 3, 4].map((weight) => Math.exp((i - 4) * weight));
    const sum = powers.reduce((a, b) => a + b, 0);
    const order = i < 4 ? [0, 1, 2] : i === 4 ? [0, 1, 2] : [3, 2, 1];
    expect(row.top).toEqual(order.map(String));
    for (const [rank, index] of order.entries())
      expect((row.p_top as number[])[rank]).toBeCloseTo((powers[index] as number) / sum, 5);
  }
});

test.concurrent('a record with a NaN among its scores is rejected, though only its best class would be shown', async () => {
  const output = { argmax: { y: { label: 'best', score: 'p' } } };
  const a = `CASE WHEN i = 3 THEN 'nan'::FLOAT ELSE i - 4 END`;
  const bench = await job('nan', 'logits', output, a);
  expectRefused(await bench.run({}, { file: 'job.json' }), {
    exit: 1,
    code: 'ERROR_BUDGET_EXCEEDED',
    names: ['PREDICTION_NOT_FINITE', 'Output "y" is NaN'],
  });
  expectNothingAt(bench.out);
  expectCompleted(await bench.run({ 'error-budget': '1' }, { file: 'job.json' }));
  expect((await published(bench.out, 'id')).map(({ id }) => id)).not.toContain('3');
  expectCompleted(
    await bench.run({ 'allow-non-finite': true, output: 'all', 'error-budget': '0' }, { file: 'job.json' }),
  );
  // NaN counts as the greatest: it shows in the score.
  expect(
    await sql(`SELECT best, isnan(p) AS n FROM read_parquet('${bench.folder}/all/*.parquet') WHERE id = 3`),
  ).toEqual([{ best: '0', n: true }]);
});

test.concurrent('texts of classes stay with their rows where records in between are rejected or filtered', async () => {
  const output = { argmax: { probability: 'best' }, top_k: { probability: { k: 1, labels: 'top' } } };
  const bench = await job('gaps', 'classifier', output, `CASE WHEN i = 3 THEN 'nan'::FLOAT ELSE i - 4 END`);
  expectCompleted(await bench.run({ 'error-budget': '1', where: 'id <> 6' }, { file: 'job.json' }));
  expect(await published(bench.out)).toEqual(
    [0, 1, 2, 4, 5, 7, 8, 9].map((i) => {
      const best = i > 4 ? 'yes' : 'no';
      return { id: String(i), best, top: [best] };
    }),
  );
});

test.concurrent('a constant that has the name of a class is refused before anything is scored', async () => {
  const bench = await job('clash', 'classifier', { flatten: ['probability'], constants: { YES: 1 } });
  expectRefused(await bench.run({}, { file: 'job.json' }), {
    exit: 2,
    code: 'COLUMN_AMBIGUOUS',
    names: ['YES'],
  });
  expectNothingAt(bench.out);
});
