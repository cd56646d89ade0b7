import { createRequire } from 'node:module';
import type * as Ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import * as models from '../../../test/onnx-builder.ts';
import { parseModel } from './onnx-model.ts';
import { bytesField, concat, FieldCursor, textField } from './protobuf.ts';
import { rewriteGraph } from './rewrite-graph.ts';

const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof Ort;

const PACKED = [{ name: 'x', type: 'float32', shape: ['N', 2] }] as const;

/** Feeds [2, 3] by columns (1 2 3 and 10 20 30) in place of [3, 2]. */
async function runByColumns(bytes: Uint8Array, input = 'x'): Promise<Record<string, unknown>> {
  const rewritten = rewriteGraph(bytes, parseModel(bytes), [input]);
  const session = await ort.InferenceSession.create(rewritten.bytes, { logSeverityLevel: 4 });
  const fed = new ort.Tensor('float32', Float32Array.of(1, 2, 3, 10, 20, 30), [2, 3]);
  const results = await session.run({ [rewritten.inputNames.get(input) as string]: fed });
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [name, [dims, Array.from(data as Float32Array)]]),
  );
}

test('an input that several nodes, a graph in a node and an output use is still [N, F] for all of them', async () => {
  const branch = (name: string): models.GraphSpec => ({
    inputs: [],
    outputs: [{ name, type: 'float32', shape: [null, 2] }],
    nodes: [models.node('Add', ['x', 'x'], [name])],
  });
  const bytes = models.buildModel({
    inputs: PACKED,
    outputs: ['twice', 'minus', 'same'].map((name) => ({ name, type: 'float32', shape: [null, 2] })),
    initializers: [models.tensor('true', 'bool', [], Uint8Array.of(1))],
    nodes: [
      models.node(
        'If',
        ['true'],
        ['twice'],
        [models.attrGraph('then_branch', branch('a')), models.attrGraph('else_branch', branch('b'))],
      ),
      models.node('Neg', ['x'], ['minus']),
      models.node('Identity', ['x'], ['same']),
    ],
  });
  expect(await runByColumns(bytes)).toEqual({
    twice: [
      [3, 2],
      [2, 20, 4, 40, 6, 60],
    ],
    minus: [
      [3, 2],
      [-1, -10, -2, -20, -3, -30],
    ],
    same: [
      [3, 2],
      [1, 10, 2, 20, 3, 30],
    ],
  });
});

test('a name that the graph already uses is not taken for the new input', async () => {
  const bytes = models.buildModel({
    inputs: PACKED,
    outputs: [{ name: 'y', type: 'float32', shape: [null, 2] }],
    nodes: [
      models.node('Neg', ['x'], ['x.columns']),
      models.node('Neg', ['x.columns'], ['x.columns_']),
      models.node('Identity', ['x.columns_'], ['y']),
    ],
  });
  expect(await runByColumns(bytes)).toEqual({
    y: [
      [3, 2],
      [1, 10, 2, 20, 3, 30],
    ],
  });
});

test("a model that imports none of ONNX's own operators takes ours", async () => {
  const bytes = models.zipMapModel(['no', 'yes']);
  const { label, probability } = (await runByColumns(bytes, 'features')) as Record<
    string,
    [number[], unknown[]]
  >;
  expect(label?.[1]).toEqual(['no', 'no', 'no']);
  expect(probability?.[0]).toEqual([3, 2]);
});

test('each of several ZipMaps becomes its own tensor', async () => {
  const zip = (labels: readonly string[]) => [models.attrTexts('classlabels_strings', labels)];
  const map = models.sequenceOfMaps('string');
  const bytes = models.buildModel({
    inputs: PACKED,
    outputs: [
      { name: 'p', type: map },
      { name: 'q', type: map },
    ],
    nodes: [
      models.node('Neg', ['x'], ['minus']),
      models.node('ZipMap', ['x'], ['p'], zip(['a', 'b']), 'ai.onnx.ml'),
      models.node('ZipMap', ['minus'], ['q'], zip(['c', 'd']), 'ai.onnx.ml'),
    ],
  });
  expect(parseModel(bytes).zipMaps).toEqual(
    new Map([
      ['p', { output: 'p', scores: 'x', labels: ['a', 'b'] }],
      ['q', { output: 'q', scores: 'minus', labels: ['c', 'd'] }],
    ]),
  );
  expect(await runByColumns(bytes)).toEqual({
    p: [
      [3, 2],
      [1, 10, 2, 20, 3, 30],
    ],
    q: [
      [3, 2],
      [-1, -10, -2, -20, -3, -30],
    ],
  });
});

test('fields that we do not know, and all that is not rewritten, are handed on byte for byte', () => {
  const unknown = bytesField(3000, textField(1, 'from the future'));
  const initializer = models.tensor('w', 'float32', [2], Float32Array.of(1, 2));
  const bytes = models.buildModel({
    inputs: PACKED,
    outputs: [{ name: 'y', type: 'float32', shape: [null, 2] }],
    initializers: [initializer],
    nodes: [concat([models.node('Mul', ['x', 'w'], ['y']), unknown])],
    extra: [unknown],
    modelExtra: [unknown],
  });
  const before = fields(bytes);
  const after = fields(rewriteGraph(bytes, parseModel(bytes), ['x']).bytes);
  const left = before.filter((field) => !after.includes(field));
  expect(left.map((field) => field.split(':')[0])).toEqual(['graph 11']);
  expect(after).toHaveLength(before.length + 1);
  expect(rewriteGraph(bytes, parseModel(bytes), []).bytes).toBe(bytes);
});

/** Fields of the model and, one level down, of its graph. */
function fields(model: Uint8Array, prefix = ''): string[] {
  const all: string[] = [];
  const cursor = new FieldCursor(model);
  while (cursor.next()) {
    if (prefix === '' && cursor.number === 7) all.push(...fields(cursor.bytes(), 'graph '));
    else all.push(`${prefix}${cursor.number}:${Buffer.from(cursor.raw()).toString('hex')}`);
  }
  return all;
}
