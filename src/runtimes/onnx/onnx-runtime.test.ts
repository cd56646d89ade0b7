import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as models from '../../../test/onnx-builder.ts';
import { bind } from '../../core/binding.ts';
import type { Column, ElementType, RecordBatch, Values } from '../../core/columns.ts';
import type { Binding } from '../../core/signature.ts';
import type { ModelFile, Session } from '../runtime.ts';
import { describeRuntime } from '../runtime-conformance.ts';
import { onnx } from './onnx-runtime.ts';
import { concat, intField, textField } from './protobuf.ts';

const GO_ON = new AbortController().signal;
let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-runtime-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function modelFile(bytes: Uint8Array): Promise<ModelFile> {
  const path = join(folder, `${++files}.onnx`);
  await writeFile(path, bytes);
  return { path, sha256: 'not looked at' };
}

describeRuntime('onnx', async () => ({
  runtime: onnx,
  linear: await modelFile(models.linearModel([1, 2], 3)),
  refuses13: await modelFile(models.refusingModel(13)),
  drops13: await modelFile(models.droppingModel(13)),
  strings: await modelFile(models.stringModel()),
  garbage: await modelFile(Uint8Array.from({ length: 500 }, (_, i) => (i * 89) % 256)),
  close: async () => {},
}));

const COLUMN_TYPES: Partial<Record<ElementType, string>> = {
  string: 'VARCHAR',
  bool: 'BOOLEAN',
  float16: 'FLOAT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
};

/** Binds the columns as a job would and opens the model. */
async function openWith(
  bytes: Uint8Array,
  columns: readonly Column[],
  outputs?: Record<string, string>,
  threads = 1,
): Promise<Session> {
  const model = await modelFile(bytes);
  const signature = await onnx.inspect(model);
  const binding = bind(signature, {
    features: columns.map((column) => column.name),
    columns: columns.map(({ name, type, offsets }) => ({
      name,
      type: `${COLUMN_TYPES[type] ?? 'BIGINT'}${offsets === undefined ? '' : '[]'}`,
      neverNull: true,
    })),
    ...(outputs === undefined ? {} : { outputs }),
  });
  return onnx.open(model, { binding, threads }, GO_ON);
}

async function score(
  bytes: Uint8Array,
  columns: readonly Column[],
  outputs?: Record<string, string>,
): Promise<readonly Column[]> {
  await using session = await openWith(bytes, columns, outputs);
  return (await session.infer(batchOf(columns), GO_ON)).columns;
}

function batchOf(columns: readonly Column[]): RecordBatch {
  const [first] = columns;
  const rows = first?.offsets === undefined ? (first?.values.length ?? 0) : first.offsets.length - 1;
  return { rows, rowNumbers: Float64Array.from({ length: rows }, (_, row) => row), columns };
}

const column = (name: string, type: ElementType, values: Values): Column => ({ name, type, values });

const SAMPLES: readonly (readonly [ElementType, Values])[] = [
  ['float32', Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY)],
  ['float64', Float64Array.of(0.1, Number.MIN_VALUE, Number.NaN, -1e308)],
  ['int8', Int8Array.of(-128, 127)],
  ['int16', Int16Array.of(-32768, 32767)],
  ['int32', Int32Array.of(-2147483648, 2147483647)],
  ['int64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
  ['uint8', Uint8Array.of(0, 255)],
  ['uint16', Uint16Array.of(0, 65535)],
  ['uint32', Uint32Array.of(0, 4294967295)],
  ['uint64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
  ['bool', Uint8Array.of(0, 1)],
  ['string', ['', 'zwölf 🍎']],
];

test.each(SAMPLES)(
  '%s values pass through a model bit by bit, as [N], as [N, 1] and packed',
  async (type, values) => {
    const alone = [column('x', type, values)];
    expect(await score(models.identityModel(type), alone)).toEqual([column('y', type, values)]);
    expect(await score(models.identityModel(type, ['N', 1]), alone)).toEqual([column('y', type, values)]);
    const reversed =
      type === 'string' ? (values as string[]).toReversed() : (values as Float32Array).toReversed();
    const pair = [column('a', type, values), column('b', type, reversed as Values)];
    const [packed] = await score(models.identityModel(type, ['N', 2]), pair);
    const rows = Array.from(values as ArrayLike<unknown>, (value, row) => [value, reversed[row]]);
    expect(Array.from(packed?.values as ArrayLike<unknown>)).toEqual(rows.flat());
    expect(packed?.offsets).toEqual(Uint32Array.from({ length: values.length + 1 }, (_, row) => 2 * row));
  },
);

test('a pass-through output does not share memory with the batch', async () => {
  const x = column('x', 'float32', Float32Array.of(1, 2, 3));
  await using session = await openWith(models.identityModel('float32'), [x]);
  const kept = (await session.infer(batchOf([x]), GO_ON)).columns[0];
  (x.values as Float32Array).fill(0);
  expect(kept?.values).toEqual(Float32Array.of(1, 2, 3));
});

test('bool, int64 and string outputs, and single elements of a list, come out as declared', async () => {
  const x = [
    column('a', 'float32', Float32Array.of(1.75, -3)),
    column('b', 'float32', Float32Array.of(2, 4.5)),
  ];
  expect(await score(models.mixedOutputsModel(), x)).toEqual([
    column('positive', 'bool', Uint8Array.of(1, 0)),
    column('rounded', 'int64', BigInt64Array.of(2n, -3n)),
    { ...column('text', 'string', ['1.75', '2', '-3', '4.5']), offsets: Uint32Array.of(0, 2, 4) },
  ]);
  expect(await score(models.mixedOutputsModel(), x, { 'text[1]': 'b as text', positive: 'p' })).toEqual([
    column('b as text', 'string', ['2', '4.5']),
    column('p', 'bool', Uint8Array.of(1, 0)),
  ]);
  expect(await score(models.listModel(3), x, { 'y[2]': 'third', 'y[0]': 'first' })).toEqual([
    column('third', 'float32', Float32Array.of(5.25, -9)),
    column('first', 'float32', Float32Array.of(1.75, -3)),
  ]);
});

test('two inputs are fed by name, whatever the order of the features', async () => {
  const a = column('a', 'float32', Float32Array.of(1, 2));
  const b = column('b', 'float32', Float32Array.of(3, 4));
  for (const features of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const model = await modelFile(models.twoInputModel());
    const columns = features.map((name) => ({ name, type: 'FLOAT', neverNull: true }));
    const binding = bind(await onnx.inspect(model), { features, columns });
    await using session = await onnx.open(model, { binding, threads: 1 }, GO_ON);
    const byName = binding.inputs.map((input) => (input.columns[0] === 'a' ? a : b));
    expect((await session.infer(batchOf(byName), GO_ON)).columns[0]?.values).toEqual(Float32Array.of(31, 42));
  }
});

test('batches of changing size do not see what an earlier, larger one left in the buffer', async () => {
  const numbers = models.seededNumbers(5);
  const rowsOf = (rows: number): Column[] =>
    ['a', 'b', 'c'].map((name) =>
      column(
        name,
        'float32',
        Float32Array.from({ length: rows }, () => Math.round(numbers() * 100)),
      ),
    );
  await using session = await openWith(models.linearModel([1, 10, 100]), rowsOf(1));
  for (const rows of [500, 3, 501, 1, 40]) {
    const columns = rowsOf(rows);
    const expected = Float32Array.from({ length: rows }, (_, row) =>
      columns.reduce((sum, { values }, i) => sum + (values[row] as number) * 10 ** i, 0),
    );
    expect((await session.infer(batchOf(columns), GO_ON)).columns[0]?.values).toEqual(expected);
  }
});

test.each([
  { labels: [0, 1] as const, type: 'int64', answers: BigInt64Array.of(1n, 0n) },
  { labels: ['no', 'yes'] as const, type: 'string', answers: ['yes', 'no'] },
])(
  "scikit-learn's sequence of maps becomes the tensor behind it, with the labels $labels",
  async ({ labels, type, answers }) => {
    const features = [
      column('a', 'float32', Float32Array.of(3, 0)),
      column('b', 'float32', Float32Array.of(0, 2)),
    ];
    const probability = [3, -2].map((margin) => 1 / (1 + Math.exp(-margin)));
    const [label, scores] = await score(models.zipMapModel(labels), features);
    expect(label).toMatchObject({ name: 'label', type, values: answers });
    expect(scores).toMatchObject({ name: 'probability', type: 'float32', offsets: Uint32Array.of(0, 2, 4) });
    expect(scores?.values[1]).toBeCloseTo(probability[0] as number, 6);
    const [chosen] = await score(models.zipMapModel(labels), features, {
      [`probability[${labels[1]}]`]: 'p',
    });
    expect(chosen?.values[0]).toBeCloseTo(probability[0] as number, 6);
    expect(chosen?.values[1]).toBeCloseTo(probability[1] as number, 6);
  },
);

test('an operator or opset that ONNX Runtime does not have is MODEL_UNSUPPORTED and names it', async () => {
  const x = [column('x', 'float32', Float32Array.of(1))];
  await expect(score(models.unknownOperatorModel(), x)).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining('Frobnicate'),
  });
  const future = models.buildModel({
    inputs: [{ name: 'x', type: 'float32' }],
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [models.node('Identity', ['x'], ['y'])],
    opsets: { '': 99 },
  });
  await expect(score(future, x)).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining('Opset 99'),
  });
});

test('a graph that is well-formed and makes no sense is MODEL_INVALID', async () => {
  const cycle = models.buildModel({
    inputs: [{ name: 'x', type: 'float32' }],
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [
      models.node('Add', ['x', 'q'], ['p']),
      models.node('Add', ['x', 'p'], ['q']),
      models.node('Relu', ['p'], ['y']),
    ],
  });
  await expect(score(cycle, [column('x', 'float32', Float32Array.of(1))])).rejects.toMatchObject({
    code: 'MODEL_INVALID',
  });
});

test("the message of a refused batch is the runtime's, on one line of at most 300 characters", async () => {
  const x = [column('x', 'int64', BigInt64Array.of(0n))];
  const refusal = (bytes: Uint8Array) => score(bytes, x).then(String, (failure: Error) => failure);
  const divide = (name: string) =>
    models.buildModel({
      inputs: [{ name: 'x', type: 'int64' }],
      outputs: [{ name: 'y', type: 'int64' }],
      nodes: [concat([models.node('Div', ['x', 'x'], ['y']), textField(3, name)])],
    });
  expect(await refusal(divide('d'))).toMatchObject({
    code: 'MODEL_REFUSED',
    message: expect.stringContaining('Integer division by zero'),
  });
  expect(await refusal(divide('long\n'.repeat(100)))).toMatchObject({
    code: 'MODEL_REFUSED',
    message: expect.stringMatching(/^.{299}…$/),
  });
});

test('a batch that needs more memory than there is fails with OUT_OF_MEMORY and leaves the session usable', async () => {
  const x = [column('x', 'int64', BigInt64Array.of(1n, 13n))];
  await using session = await openWith(models.greedyModel(13), x);
  await expect(session.infer(batchOf(x), GO_ON)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  const rest = batchOf([column('x', 'int64', BigInt64Array.of(1n, 2n))]);
  expect((await session.infer(rest, GO_ON)).columns[0]?.values).toEqual(Float32Array.of(1, 2));
});

test('a model that gives another shape than it declares is refused for good, not bisected', async () => {
  const declared = (shape: readonly (number | string | null)[]) =>
    models.buildModel({
      inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
      outputs: [{ name: 'y', type: 'float32', shape }],
      nodes: [models.node('Identity', ['x'], ['y'])],
    });
  const x = [column('a', 'float32', Float32Array.of(1, 2)), column('b', 'float32', Float32Array.of(3, 4))];
  await expect(score(declared(['N']), x)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  const deep = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 2] }],
    initializers: [models.tensor('shape', 'int64', [3], BigInt64Array.of(-1n, 2n, 1n))],
    nodes: [models.node('Reshape', ['x', 'shape'], ['y'])],
  });
  await expect(score(deep, x)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  await expect(score(declared(['N', 5]), x, { 'y[4]': 'fifth' })).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
  });
});

test('a batch that is not what the binding says is a bug, not a failure', async () => {
  const x = column('x', 'int64', BigInt64Array.of(1n));
  await using session = await openWith(models.refusingModel(13), [x]);
  for (const wrong of [
    { ...x, type: 'uint64' as const },
    { ...x, values: BigInt64Array.of(1n, 2n) },
  ]) {
    const failed = session.infer({ ...batchOf([wrong]), rows: 1 }, GO_ON);
    await expect(failed).rejects.toThrow(/column 0/);
    await expect(failed).rejects.not.toHaveProperty('code');
  }
});

test('a few threads give the same answers as one', async () => {
  const numbers = models.seededNumbers(9);
  const x = Array.from({ length: 20 }, (_, i) =>
    column(`f${i}`, 'float32', Float32Array.from({ length: 300 }, numbers)),
  );
  for (const bytes of [models.mlpModel(), models.treesModel(10, 4)]) {
    const answers = await Promise.all(
      [1, 2].map(async (threads) => {
        await using session = await openWith(bytes, x, undefined, threads);
        return (await session.infer(batchOf(x), GO_ON)).columns[0]?.values as Float32Array;
      }),
    );
    expect(answers[0]?.every((value, row) => Math.abs(value - (answers[1]?.[row] as number)) < 1e-6)).toBe(
      true,
    );
    expect(new Set(answers[0]).size).toBeGreaterThan(50);
  }
});

test("external data is read from the model's folder, wherever the process stands", async () => {
  await writeFile(join(folder, 'weights.bin'), Float32Array.of(0, 2, 3));
  const bytes = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    initializers: [models.externalTensor('w', [2, 1], { location: 'weights.bin', offset: '4', length: '8' })],
    nodes: [models.node('MatMul', ['x', 'w'], ['y'])],
  });
  const x = [column('a', 'float32', Float32Array.of(1, 2)), column('b', 'float32', Float32Array.of(10, 20))];
  expect(await score(bytes, x)).toEqual([column('y', 'float32', Float32Array.of(32, 64))]);
});

test('without onnxruntime-node inspect works and open fails with RUNTIME_MISSING', async () => {
  const alone = join(folder, 'alone');
  const source = join(import.meta.dirname, '../..');
  for (const part of ['core', 'runtimes'])
    await cp(join(source, part), join(alone, part), { recursive: true });
  await writeFile(join(alone, 'package.json'), '{ "type": "module" }');
  const model = await modelFile(models.identityModel());
  const binding: Binding = { inputs: [], outputs: [] };
  const script = `
    import { onnx } from './runtimes/onnx/onnx-runtime.ts';
    const model = ${JSON.stringify(model)};
    const { inputs } = await onnx.inspect(model);
    const failure = await onnx.open(model, { binding: ${JSON.stringify(binding)}, threads: 1 }, new AbortController().signal).catch((error) => error);
    console.log(JSON.stringify([inputs[0].name, failure.code, failure.message]));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: alone,
  });
  expect(JSON.parse(stdout)).toEqual(['x', 'RUNTIME_MISSING', expect.stringContaining('onnxruntime-node')]);
});

test('half precision is cast on the way in and out, as numpy rounds it, alone, packed and as lists', async () => {
  const values = Float32Array.of(1.0009765625, 0.1, -65_504, 6.1e-5, 2_049, Number.NaN);
  const rounded = Float32Array.from(values, (value) => Math.f16round(value));
  const alone = [column('x', 'float16', values)];
  expect(await score(models.identityModel('float16'), alone)).toEqual([column('y', 'float32', rounded)]);
  const pair = [column('a', 'float16', values), column('b', 'float16', values.toReversed())];
  const [packed] = await score(models.identityModel('float16', ['N', 2]), pair);
  const reversed = rounded.toReversed();
  expect(packed?.values).toEqual(
    Float32Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? rounded : reversed)[at >> 1] as number),
  );
  const lists = [{ ...column('l', 'float16', values), offsets: Uint32Array.of(0, 2, 4, 6) }];
  const [listed] = await score(models.identityModel('float16', ['N', 2]), lists);
  expect(listed).toEqual({ ...column('y', 'float32', rounded), offsets: Uint32Array.of(0, 2, 4, 6) });
});

test('lists fill [N, K] and [N, A, B] row-major, and come out as one list for each record', async () => {
  const values = Float32Array.from({ length: 12 }, (_, at) => at);
  const lists = [{ ...column('l', 'float32', values), offsets: Uint32Array.of(0, 6, 12) }];
  // y[n, b, a] = x[n, a, b]
  const turned = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2, 'B'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 'B', 2] }],
    nodes: [models.node('Transpose', ['x'], ['y'], [models.attrInts('perm', [0, 2, 1])])],
  });
  const [answer] = await score(turned, lists);
  expect(answer?.values).toEqual(Float32Array.of(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11));
  expect(answer?.offsets).toEqual(Uint32Array.of(0, 6, 12));
  const cut = { ...lists[0], values: values.subarray(0, 12), offsets: Uint32Array.of(6, 12) } as Column;
  expect((await score(turned, [cut]))[0]?.values).toEqual(Float32Array.of(6, 9, 7, 10, 8, 11));
});

test('single columns fill [N, 1, A, B] row-major', async () => {
  const pixels = Array.from({ length: 6 }, (_, at) =>
    column(`p${at}`, 'float32', Float32Array.of(at, 10 + at, 20 + at)),
  );
  const rows = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 1, 2, 3] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1, 2] }],
    nodes: [models.node('ReduceSum', ['x', 'axis'], ['y'], [models.attrInt('keepdims', 0)])],
    initializers: [models.tensor('axis', 'int64', [1], BigInt64Array.of(3n))],
  });
  const [answer] = await score(rows, pixels);
  expect(answer?.values).toEqual(Float32Array.of(3, 12, 33, 42, 63, 72));
  expect(answer?.offsets).toEqual(Uint32Array.of(0, 2, 4, 6));
});

/** x [4, 2] int64 -> y [4] int64 = the sum of each row, divided by the row's first: a row that begins with 0 is refused. */
const fixedModel = () =>
  models.buildModel({
    inputs: [{ name: 'x', type: 'int64', shape: [4, 2] }],
    outputs: [{ name: 'y', type: 'int64', shape: [4] }],
    initializers: [
      models.tensor('zero', 'int64', [], BigInt64Array.of(0n)),
      models.tensor('axis', 'int64', [1], BigInt64Array.of(1n)),
    ],
    nodes: [
      models.node('ReduceSum', ['x', 'axis'], ['sum'], [models.attrInt('keepdims', 0)]),
      models.node('Gather', ['x', 'zero'], ['first'], [models.attrInt('axis', 1)]),
      models.node('Div', ['sum', 'first'], ['y']),
    ],
  });

test('a model of fixed batch size answers fewer records, filled up with a real one', async () => {
  const x = (rows: number[][]) => [
    column(
      'a',
      'int64',
      BigInt64Array.from(rows, ([a]) => BigInt(a ?? 0)),
    ),
    column(
      'b',
      'int64',
      BigInt64Array.from(rows, ([, b]) => BigInt(b ?? 0)),
    ),
  ];
  await using session = await openWith(fixedModel(), x([[1, 1]]));
  const answers = async (...rows: number[][]) => (await session.infer(batchOf(x(rows)), GO_ON)).columns;
  // Zeros as filling would divide by zero.
  expect(await answers([1, 2])).toEqual([column('y', 'int64', BigInt64Array.of(3n))]);
  expect(await answers([1, 2], [2, 8], [5, 0])).toEqual([column('y', 'int64', BigInt64Array.of(3n, 5n, 1n))]);
  expect(await answers([1, 1], [1, 2], [1, 3], [1, 4])).toEqual([
    column('y', 'int64', BigInt64Array.of(2n, 3n, 4n, 5n)),
  ]);
  await expect(answers([0, 1], [1, 1])).rejects.toMatchObject({ code: 'MODEL_REFUSED' });
  await expect(answers(...new Array<number[]>(5).fill([1, 1]))).rejects.toThrow('5 records do not fit');
});

test('lists, texts and several values of each record are filled up and cut alike', async () => {
  const identity = (type: 'string' | 'float32') => models.identityModel(type, [3, 2]);
  const texts = [column('a', 'string', ['x', 'y']), column('b', 'string', ['é', ''])];
  expect(await score(identity('string'), texts)).toEqual([
    { ...column('y', 'string', ['x', 'é', 'y', '']), offsets: Uint32Array.of(0, 2, 4) },
  ]);
  const lists = [
    { ...column('l', 'float32', Float32Array.of(9, 1, 2, 3, 4)), offsets: Uint32Array.of(1, 3, 5) },
  ];
  expect(await score(identity('float32'), lists)).toEqual([
    { ...column('y', 'float32', Float32Array.of(1, 2, 3, 4)), offsets: Uint32Array.of(0, 2, 4) },
  ]);
});

test('a model that gives one answer to any number of records is refused by name, not asked record by record', async () => {
  const mean = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N'] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1] }],
    nodes: [models.node('ReduceMean', ['x'], ['y'], [models.attrInt('keepdims', 1)])],
  });
  await expect(score(mean, [column('x', 'float32', Float32Array.of(1, 2, 3))])).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringMatching(/'y'.*1 answers to 3 records/),
  });
});

test('an IR version or an opset of the future is MODEL_UNSUPPORTED, and optional inputs need no column', async () => {
  const x = [column('x', 'float32', Float32Array.of(1))];
  const spec = {
    inputs: [
      { name: 'x', type: 'float32' },
      { name: 'scale', type: 'float32', shape: [1] },
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [models.tensor('scale', 'float32', [1], Float32Array.of(3))],
    nodes: [models.node('Mul', ['x', 'scale'], ['y'])],
  } as const;
  expect((await score(models.buildModel(spec), x))[0]?.values).toEqual(Float32Array.of(3));
  const future = concat([models.buildModel(spec), intField(1, 99)]);
  await expect(score(future, x)).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringMatching(/IR version/i),
  });
});

test('what a model computes in half precision is rounded to it, though the runtime computes in single', async () => {
  const product = models.buildModel({
    inputs: [{ name: 'x', type: 'float16', shape: ['N', 1] }],
    outputs: [{ name: 'y', type: 'float16', shape: ['N', 1] }],
    initializers: [models.tensor('w', 'float16', [1, 1], new Uint8Array(Float16Array.of(3.001).buffer))],
    nodes: [models.node('MatMul', ['x', 'w'], ['y'])],
  });
  const x = [0.1, 1.0009765625, 333.3, -7.77];
  const [answer] = await score(product, [column('x', 'float16', Float32Array.from(x))]);
  expect(Array.from(answer?.values as Float32Array)).toEqual(
    x.map((value) => Math.f16round(Math.f16round(value) * Math.f16round(3.001))),
  );
});

test('a text that the model would get cut at a NUL is rejected by its row, and the others are answered', async () => {
  await using session = await openWith(models.identityModel('string'), [column('x', 'string', [''])]);
  const { columns, rejects } = await session.infer(
    batchOf([column('x', 'string', ['a', 'b\0c', '\0', 'd'])]),
    GO_ON,
  );
  expect(rejects.map(({ row, code }) => [row, code])).toEqual([
    [1, 'FEATURE_NOT_EXACT'],
    [2, 'FEATURE_NOT_EXACT'],
  ]);
  expect([columns[0]?.values[0], columns[0]?.values[3]]).toEqual(['a', 'd']);
});
