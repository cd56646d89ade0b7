import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from './support/cli.ts';
import { ROOT } from './support/documentation-pages.ts';
import { sql } from './support/parquet.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-digits-'));
const EXAMPLE = join(ROOT, 'examples/digits');
const READ = join(home, 'read');

beforeAll(async () => {
  for (const name of ['job.yaml', 'digits.onnx', 'digits.parquet'])
    cpSync(join(EXAMPLE, name), join(home, name));
  expect(await runCli(['run', 'job.yaml'], home)).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('most digits that the model has never seen are read right, and each image is there once', async () => {
  const [counts] = await sql(
    `SELECT count(*)::INT AS images, count(DISTINCT r.image_id)::INT AS distinct_images,
            count_if(NOT i.seen_in_training)::INT AS unseen, avg((r.read_as = i.digit)::INT) AS accuracy
     FROM '${READ}/*.parquet' r JOIN '${EXAMPLE}/digits.parquet' i USING (image_id)`,
  );
  expect(counts).toMatchObject({ images: 597, distinct_images: 597, unseen: 597 });
  expect(counts?.accuracy).toBeGreaterThan(0.9);
});

test('the certainty is that of the class that was read: low where it was misread', async () => {
  const [certainty] = await sql(
    `SELECT avg(certainty) FILTER (read_as = digit) AS "right", avg(certainty) FILTER (read_as <> digit) AS wrong,
            min(certainty) AS least, max(certainty) AS most FROM '${READ}/*.parquet'`,
  );
  expect(certainty?.right).toBeGreaterThan(0.9);
  expect(certainty?.wrong).toBeLessThan(0.8);
  expect(certainty?.least).toBeGreaterThan(0.1);
  expect(certainty?.most).toBeLessThanOrEqual(1);
});

test('the picture in the README is what the result looks like now', () => {
  const drawn = join(home, 'read.svg');
  const { status, stderr } = spawnSync(process.execPath, [join(EXAMPLE, 'draw.ts'), READ, drawn], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(readFileSync(drawn, 'utf8')).toBe(readFileSync(join(EXAMPLE, 'read.svg'), 'utf8'));
});
