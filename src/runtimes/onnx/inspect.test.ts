import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as models from '../../../test/onnx-builder.ts';
import type { ModelSignature } from '../../core/signature.ts';
import { externalReferences } from './external-references.ts';
import { parseModel } from './onnx-model.ts';
import { onnx } from './onnx-runtime.ts';
import { bytesField, concat, FieldCursor, intField, MalformedError, textField, varint } from './protobuf.ts';
import { rewriteGraph } from './rewrite-graph.ts';

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-inspect-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function inspect(bytes: Uint8Array): Promise<ModelSignature> {
  const path = join(folder, `${++files}.onnx`);
  await writeFile(path, bytes);
  return onnx.inspect({ path, sha256: 'not looked at' });
}

test('inputs and outputs are told with names, types and shapes, in the order of the graph', async () => {
  expect(await inspect(models.twoInputModel())).toEqual({
    inputs: [
      { name: 'a', type: 'float32', shape: [null] },
      { name: 'b', type: 'float32', shape: [null, 1] },
    ],
    outputs: [{ name: 'sum', type: 'float32', shape: [null] }],
  });
  expect(await inspect(models.identityModel('uint64', ['batch', 3]))).toMatchObject({
    inputs: [{ type: 'uint64', shape: ['batch', 3] }],
  });
});

test('what an initializer gives is no input, and 0 and -1 are free dimensions', async () => {
  const signature = await inspect(
    models.buildModel({
      inputs: [
        { name: 'w', type: 'float32', shape: [2, 1] },
        { name: 'x', type: 'float32', shape: [-1, 2] },
      ],
      outputs: [{ name: 'y', type: 'float32', shape: [0, 1] }],
      initializers: [models.tensor('w', 'float32', [2, 1], Float32Array.of(1, 2))],
      nodes: [models.node('MatMul', ['x', 'w'], ['y'])],
    }),
  );
  expect(signature.inputs).toEqual([{ name: 'x', type: 'float32', shape: [null, 2] }]);
  expect(signature.outputs[0]?.shape).toEqual([null, 1]);
});

test("a ZipMap's output is told as the tensor behind it, with its labels", async () => {
  expect((await inspect(models.zipMapModel(['no', 'yes']))).outputs).toEqual([
    { name: 'label', type: 'string', shape: [null] },
    { name: 'probability', type: 'float32', shape: [null, 2], labels: ['no', 'yes'] },
  ]);
  expect((await inspect(models.zipMapModel([-1, 7]))).outputs[1]?.labels).toEqual([-1, 7]);
});

test('labels that a JavaScript number cannot hold keep their digits', async () => {
  const big = 2n ** 63n - 1n;
  const labels = concat([
    textField(1, 'classlabels_int64s'),
    bytesField(8, Uint8Array.from([...varint(big), ...varint(-1n)])),
    intField(20, 7),
  ]);
  const bytes = models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: [null, 2] }],
    outputs: [{ name: 'y', type: models.sequenceOfMaps('int64') }],
    nodes: [models.node('ZipMap', ['x'], ['y'], [labels], 'ai.onnx.ml')],
  });
  expect((await inspect(bytes)).outputs[0]?.labels).toEqual(['9223372036854775807', -1]);
});

test('an input of a type that no column can be is refused by name, and such an output is set aside', async () => {
  for (const type of ['bfloat16', 'complex64'] as const) {
    await expect(inspect(models.identityModel(type))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(new RegExp(`input 'x'.*tensor\\(${type}\\)`)),
    });
  }
  const sequence = bytesField(4, bytesField(1, models.tensorType('float32', null)));
  const x = { name: 'x', type: 'float32' } as const;
  const nodes = [models.node('SequenceConstruct', ['x'], ['all']), models.node('Identity', ['x'], ['y'])];
  const both = models.buildModel({
    inputs: [x],
    outputs: [
      { name: 'all', type: sequence },
      { name: 'y', type: 'float32' },
    ],
    nodes,
  });
  expect(await inspect(both)).toMatchObject({
    outputs: [{ name: 'y' }],
    unusable: [{ name: 'all', type: 'seq(tensor(float))' }],
  });
  const alone = models.buildModel({ inputs: [x], outputs: [{ name: 'all', type: sequence }], nodes });
  await expect(inspect(alone)).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining("output 'all'"),
  });
});

test('every way to be no model is MODEL_INVALID', async () => {
  const whole = models.mlpModel();
  const graphTwice = concat([whole, models.identityModel()]);
  const twoOfOneName = models.buildModel({
    inputs: [{ name: 'x', type: 'float32' }],
    outputs: [
      { name: 'y', type: 'float32' },
      { name: 'y', type: 'float32' },
    ],
    nodes: [],
  });
  const cases: Record<string, Uint8Array> = {
    empty: new Uint8Array(),
    text: new TextEncoder().encode('<!DOCTYPE html><title>Not found</title>'),
    'half a file': whole.subarray(0, whole.length >> 1),
    'no graph': intField(1, 8),
    'two graphs': graphTwice,
    'no outputs': concat([intField(1, 8), bytesField(7)]),
    'two outputs of one name': twoOfOneName,
    'a length of 2^63': Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
    'a length of 2 GB': Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07),
    'a number that does not end': Uint8Array.of(0x08, ...new Array(20).fill(0xff)),
    'a field cut at the end': concat([whole, Uint8Array.of(0x72, 50, 1, 2)]),
    'a field number beyond 2^29': concat([whole, Uint8Array.of(0x88, 0x80, 0x80, 0x80, 0x20, 8)]),
    'an IR version that is text': concat([textField(1, '\x08'), whole.subarray(2)]),
    'a group': Uint8Array.of(0x0b, 0x0c),
    'a graph that is a number': concat([intField(1, 8), intField(7, 1)]),
    'a name that is not UTF-8': concat([
      intField(1, 8),
      bytesField(7, bytesField(12, bytesField(1, Uint8Array.of(0xff)))),
    ]),
    'graphs 100 deep': deepModel(100),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    await expect(inspect(bytes), name).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('.onnx'),
    });
  }
  await expect(inspect(deepModel(30))).resolves.toBeDefined();
});

/** A graph in a node of a graph, and so on. */
function deepModel(depth: number): Uint8Array {
  let inner: Uint8Array[] = [];
  for (let i = 0; i < depth; i++) inner = [bytesField(1, bytesField(5, bytesField(6, ...inner)))];
  const spec = { inputs: [], outputs: [{ name: 'y', type: 'float32' as const }], nodes: [] };
  return models.buildModel({ ...spec, extra: inner });
}

test('a folder, a path through a file or a device is MODEL_NOT_FOUND', async () => {
  await mkdir(join(folder, 'folder.onnx'));
  const file = join(folder, 'file.onnx');
  await writeFile(file, 'x');
  for (const path of [join(folder, 'folder.onnx'), join(file, 'below.onnx'), '/dev/null']) {
    await expect(onnx.inspect({ path, sha256: '' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      place: { file: path },
    });
  }
});

const ORIGINALS = [
  models.identityModel('float16', [8, 1, 2, 3]),
  models.mlpModel(),
  models.treesModel(2, 2),
  models.zipMapModel(['no', 'yes']),
  models.hangingModel(13),
  models.buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [models.externalTensor('w', [2], { location: 'w.bin', offset: '0', length: '8' })],
    nodes: [models.node('MatMul', ['x', 'w'], ['y'])],
  }),
];

/** Everything that is done to hostile bytes outside of ONNX Runtime. */
function readAll(bytes: Uint8Array): void {
  const model = parseModel(bytes);
  externalReferences(bytes);
  const byColumns = model.inputs
    .filter((input) => input.type.kind === 'tensor' && (input.type.shape?.length ?? 0) >= 2)
    .map((input) => input.name);
  parseModel(rewriteGraph(bytes, model, byColumns).bytes);
}

test('mutated models are read or refused: no other error, no hang', () => {
  const change = fc.record({
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'flip', 'cut', 'drop', 'double'),
  });
  let refused = 0;
  let read = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...ORIGINALS),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (original, changes) => {
        const bytes = changes.reduce(mutated, original);
        try {
          readAll(bytes);
          read++;
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error;
          refused++;
        }
      },
    ),
    { numRuns: 2000 },
  );
  expect(Math.min(refused, read)).toBeGreaterThan(50);
});

function mutated(bytes: Uint8Array, change: { at: number; byte: number; kind: string }): Uint8Array {
  const at = change.at % (bytes.length + 1);
  const before = bytes.subarray(0, at);
  if (change.kind === 'cut') return before;
  if (change.kind === 'drop') return concat([before, bytes.subarray(at + 1)]);
  if (change.kind === 'double') return concat([before, bytes.subarray(Math.max(0, at - change.byte))]);
  const byte = change.kind === 'set' ? change.byte : (bytes[at] ?? 0) ^ (1 << (change.byte & 7));
  return concat([before, Uint8Array.of(byte), bytes.subarray(at + 1)]);
}

test('random bytes are refused, or are a model', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        readAll(bytes);
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

test('numbers and texts come back from the wire as they were written', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.integer({ min: 1, max: 2 ** 29 - 1 }),
      (int, text, number) => {
        const cursor = new FieldCursor(concat([intField(number, int), textField(number, text)]));
        expect([cursor.next(), cursor.number, cursor.int()]).toEqual([true, number, int]);
        expect([cursor.next(), cursor.number, cursor.text(), cursor.next()]).toEqual([
          true,
          number,
          text,
          false,
        ]);
      },
    ),
  );
});
