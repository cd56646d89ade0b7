import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  buildModel,
  externalTensor,
  identityModel,
  linearModel,
  node,
  seededNumbers,
  unknownOperatorModel,
} from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const shop = workshop('bad-model', { model: 'm.onnx', input: '../in.parquet', key: 'id', features: 'x' });

beforeAll(() =>
  sql(
    `COPY (SELECT i AS id, i::FLOAT AS x, i::FLOAT AS z FROM range(10) t(i)) TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  ),
);
afterAll(() => shop.remove());

/** x [N, 1] -> y [N, 1] = x . w, with w in another file. */
function modelWithExternalData(location: string): Uint8Array {
  return buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 1] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    initializers: [externalTensor('w', [1, 1], { location, offset: '0', length: '4' })],
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
  });
}

function randomBytes(count: number): Uint8Array {
  const random = seededNumbers(7);
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

const linear = linearModel([2]);

describe('a model that cannot be run', () => {
  test.concurrent.each([
    { hazard: 'there is none', bytes: null, code: 'MODEL_NOT_FOUND' },
    { hazard: 'no bytes', bytes: new Uint8Array(), code: 'MODEL_INVALID' },
    { hazard: 'random bytes', bytes: randomBytes(5_000), code: 'MODEL_INVALID' },
    { hazard: 'cut off at a tenth', bytes: linear.subarray(0, linear.length / 10), code: 'MODEL_INVALID' },
    { hazard: 'cut off in the middle', bytes: linear.subarray(0, linear.length / 2), code: 'MODEL_INVALID' },
    { hazard: 'cut off by one byte', bytes: linear.subarray(0, -1), code: 'MODEL_INVALID' },
    {
      hazard: 'a pickle',
      bytes: Buffer.from('\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x08sklearn.linear_model\x94.', 'latin1'),
      code: 'MODEL_INVALID',
    },
    {
      hazard: 'an HDF5 file',
      bytes: Buffer.from('\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0', 'latin1'),
      code: 'MODEL_INVALID',
    },
    { hazard: 'an operator that does not exist', bytes: unknownOperatorModel(), code: 'MODEL_UNSUPPORTED' },
  ] as const)('$hazard: $code, naming the file', async ({ hazard, bytes, code }) => {
    const bench = shop.bench(hazard.replaceAll(' ', '-'));
    if (bytes !== null) writeFileSync(join(bench.folder, 'm.onnx'), bytes);
    expectRefused(await bench.run({}), { exit: 2, code, names: ['m.onnx'] });
    expectNothingAt(bench.out);
  });

  test.concurrent('a folder, or a file of another kind by its name', async () => {
    const bench = shop.bench('kinds');
    mkdirSync(join(bench.folder, 'm.onnx'));
    const folder = { exit: 2, code: 'MODEL_NOT_FOUND' } as const;
    expectRefused(await bench.run({}), { ...folder, names: ['m.onnx is a folder', 'holds no .onnx file'] });
    mkdirSync(join(bench.folder, 'models'));
    writeFileSync(join(bench.folder, 'models/notes.txt'), 'mine');
    for (const name of ['a.onnx', 'b.onnx', 'c.onnx', 'd.ONNX'])
      writeFileSync(join(bench.folder, 'models', name), linear);
    expectRefused(await bench.run({ model: 'models/' }), {
      ...folder,
      names: ['is a folder', 'models/a.onnx, ', 'models/c.onnx and 1 more', 'Name the .onnx file'],
    });
    writeFileSync(join(bench.folder, 'plain'), linear);
    expectRefused(await bench.run({ model: './plain' }), {
      exit: 2,
      code: 'SPEC_NOT_BUILT',
      names: ['plain is a file, but no .onnx file'],
    });
    writeFileSync(join(bench.folder, 'm.pkl'), linear);
    expectRefused(await bench.run({ model: 'm.pkl' }), {
      exit: 2,
      code: 'SPEC_NOT_BUILT',
      names: ['m.pkl', '.onnx'],
    });
    expectNothingAt(bench.out);
  });
});

describe('external data', () => {
  const cases = [
    { hazard: 'above the folder', location: '../w.bin' },
    { hazard: 'below, and then above the folder', location: 'sub/../../w.bin' },
    { hazard: 'an absolute path', location: '/etc/hostname' },
    { hazard: 'a symbolic link', location: 'symbolic.bin' },
    { hazard: 'a folder that is a symbolic link', location: 'elsewhere/w.bin' },
    { hazard: 'a hard link', location: 'hard.bin' },
  ];
  test.concurrent.each(cases)('$hazard is refused', async ({ hazard, location }) => {
    const bench = shop.bench(hazard.replaceAll(' ', '-'));
    mkdirSync(join(bench.folder, 'model/sub'), { recursive: true });
    writeFileSync(join(bench.folder, 'w.bin'), Float32Array.of(3));
    symlinkSync('../w.bin', join(bench.folder, 'model/symbolic.bin'));
    symlinkSync('..', join(bench.folder, 'model/elsewhere'));
    linkSync(join(bench.folder, 'w.bin'), join(bench.folder, 'model/hard.bin'));
    writeFileSync(join(bench.folder, 'model/m.onnx'), modelWithExternalData(location));
    const result = await bench.run({ model: 'model/m.onnx' });
    expectRefused(result, { exit: 2, code: 'MODEL_EXTERNAL_DATA', names: ['m.onnx', location] });
    expectNothingAt(bench.out);
  });

  test.concurrent('beside the model is fine, and missing is said', async () => {
    const bench = shop.bench('beside');
    writeFileSync(join(bench.folder, 'm.onnx'), modelWithExternalData('w.bin'));
    const missing = await bench.run({});
    expectRefused(missing, { exit: 2, code: 'MODEL_EXTERNAL_DATA', names: ['m.onnx', 'w.bin'] });
    writeFileSync(join(bench.folder, 'w.bin'), Float32Array.of(3));
    expectCompleted(await bench.run({}));
    expect(await sql(`SELECT sum(y) AS y FROM read_parquet('${bench.out}/part-*.parquet')`)).toEqual([
      { y: 135 },
    ]);
  });
});

describe('columns that do not fit the model', () => {
  test.concurrent('another number of features than it was trained with', async () => {
    const bench = shop.bench('features');
    writeFileSync(join(bench.folder, 'm.onnx'), linearModel([1, 2, 3]));
    const result = await bench.run({ features: 'x,z' });
    expectRefused(result, { exit: 2, code: 'MODEL_BINDING', names: [/\b3\b/, /\b2\b/] });
    expectNothingAt(bench.out);
  });

  test.concurrent('no input.features, and an input without a column of its name', async () => {
    const bench = shop.bench('names');
    writeFileSync(join(bench.folder, 'm.onnx'), linearModel([1, 2, 3]));
    const result = await bench.run({ features: null });
    const error = expectRefused(result, {
      exit: 2,
      code: 'MODEL_BINDING',
      names: ['features', 'input.features'],
    });
    expect(error.details?.slice(0, 2)).toEqual([
      'inputs of the model           columns of the input',
      'features  float32 [rows, 3]   id  BIGINT',
    ]);
    expectNothingAt(bench.out);
  });

  test.concurrent('an output that the model does not have', async () => {
    const bench = shop.bench('outputs');
    writeFileSync(join(bench.folder, 'm.onnx'), identityModel());
    const result = await bench.run({ columns: 'probability=p' });
    expectRefused(result, {
      exit: 2,
      code: 'SPEC_INVALID',
      names: ['probability', 'output.columns', 'It gives: y'],
    });
    expectNothingAt(bench.out);
  });
});
