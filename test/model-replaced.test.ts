import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { JobStatus } from '../src/core/wire.ts';
import {
  attrGraph,
  attrInt,
  buildModel,
  externalTensor,
  node,
  tensor,
  type ValueSpec,
} from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { eventOf, expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ testTimeout: 180_000 });

const shop = workshop('model-replaced', {
  model: 'model/m.onnx',
  input: 'in.parquet',
  key: 'id',
  features: 'x',
  'batch-size': '5',
});
afterAll(() => shop.remove());

/** x [N, 1] -> y [N, 1] = x . w, with w in a file of its own; each call takes a tenth of a second. */
function slowModelWithWeights(): Uint8Array {
  const scalar = (name: string, type: 'float32' | 'int64' | 'bool'): ValueSpec => ({ name, type, shape: [] });
  const body = {
    inputs: [scalar('turn', 'int64'), scalar('goOn', 'bool'), scalar('before', 'int64')],
    outputs: [scalar('goOnStill', 'bool'), scalar('after', 'int64')],
    nodes: [node('Identity', ['goOn'], ['goOnStill']), node('Add', ['before', 'turn'], ['after'])],
  };
  return buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 1] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    initializers: [
      externalTensor('w', [1, 1], { location: 'w.bin', offset: '0', length: '4' }),
      tensor('turns', 'int64', [], BigInt64Array.of(200_000n)),
      tensor('zero', 'int64', [], BigInt64Array.of(0n)),
      tensor('true', 'bool', [], Uint8Array.of(1)),
    ],
    nodes: [
      node('Loop', ['turns', 'true', 'zero'], ['sum'], [attrGraph('body', body)]),
      node('Mul', ['sum', 'zero'], ['none']),
      node('Cast', ['none'], ['nothing'], [attrInt('to', 1)]),
      node('MatMul', ['x', 'w'], ['product']),
      node('Add', ['product', 'nothing'], ['y']),
    ],
  });
}

const scoring = ({ job }: { job?: JobStatus }) => job?.status === 'running' && job.shards.leased > 0;

test('weights that are exchanged while a job runs are not loaded by its next worker, and no score mixes both', async () => {
  const bench = shop.bench('weights');
  const weights = join(bench.folder, 'model/w.bin');
  mkdirSync(join(bench.folder, 'model'));
  writeFileSync(join(bench.folder, 'model/m.onnx'), slowModelWithWeights());
  writeFileSync(weights, Float32Array.of(3));
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(100) t(i)) TO '${bench.folder}/in.parquet' (FORMAT parquet)`,
  );

  const running = bench.start({});
  await eventOf(running, scoring);
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(130);

  // The user's own file: the job is not gone on with.
  writeFileSync(weights, Float32Array.of(5));
  expectRefused(await bench.run({}), { exit: 6, code: 'MODEL_CHANGED', names: ['w.bin'] });
  writeFileSync(weights, Float32Array.of(3));

  // The copy that workers load: it is compared before it is loaded.
  const copy = storedCopy(join(bench.folder, 'state'), 'w.bin');
  const bytes = readFileSync(copy);
  chmodSync(copy, 0o600);
  rmSync(copy);
  writeFileSync(copy, Float32Array.of(5));
  expectRefused(await bench.run({}), { exit: 6, code: 'MODEL_CHANGED', names: ['w.bin'] });
  expectNothingAt(bench.out);
  writeFileSync(copy, bytes);
  expectCompleted(await bench.run({}));
  expect(
    await sql(
      `SELECT count(*) AS rows, bool_and(y = 3 * id) AS right FROM read_parquet('${bench.out}/part-*.parquet')`,
    ),
  ).toEqual([{ rows: '100', right: true }]);
});

function storedCopy(folder: string, name: string): string {
  const found = readdirSync(folder, { recursive: true })
    .map(String)
    .find((path) => path.endsWith(`/${name}`));
  if (found === undefined) throw new Error(`no ${name} below ${folder}`);
  return join(folder, found);
}
