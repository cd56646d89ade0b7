import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as models from '../../../test/onnx-builder.ts';
import { externalReferences } from './external-references.ts';
import { onnx } from './onnx-runtime.ts';
import { bytesField, concat, intField, type Piece, textField } from './protobuf.ts';

let folder: string;
let modelFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-external-'));
  modelFolder = join(folder, 'model');
  await mkdir(join(modelFolder, 'deep'), { recursive: true });
  await writeFile(join(modelFolder, 'w.bin'), new Uint8Array(100));
  await writeFile(join(modelFolder, 'deep', 'v.bin'), new Uint8Array(50));
  await mkdir(join(folder, 'outside'));
  await writeFile(join(folder, 'outside', 'secret'), new Uint8Array(100));
});
afterEach(() => rm(folder, { recursive: true }));

const x = { name: 'x', type: 'float32' } as const;
const y = { name: 'y', type: 'float32' } as const;

async function companions(...tensors: Piece[]) {
  const path = join(modelFolder, 'm.onnx');
  await writeFile(
    path,
    models.buildModel({
      inputs: [x],
      outputs: [y],
      initializers: tensors,
      nodes: [models.node('Identity', ['x'], ['y'])],
    }),
  );
  return onnx.companions(path);
}

const refersTo = (entries: Record<string, string>): Piece => models.externalTensor('weights', [2], entries);

test("each file is listed once, with its size, also below the model's folder", async () => {
  const found = await companions(
    refersTo({ location: 'w.bin', offset: '0', length: '60' }),
    refersTo({ location: 'deep/v.bin' }),
    refersTo({
      location: 'w.bin',
      offset: '60',
      length: '40',
      checksum: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    }),
  );
  expect(found).toEqual([
    { name: 'deep/v.bin', sizeBytes: 50 },
    { name: 'w.bin', sizeBytes: 100 },
  ]);
  expect(await companions()).toEqual([]);
});

test.each<[string, Record<string, string>]>([
  ['parent folder', { location: '../outside/secret' }],
  ['parent folder in the middle', { location: 'deep/../../outside/secret' }],
  ['absolute path', { location: '/etc/passwd' }],
  ['dot', { location: '.' }],
  ['folder', { location: 'deep' }],
  ['empty step', { location: 'deep//v.bin' }],
  ['dot as a step', { location: './w.bin' }],
  ['dot in the middle', { location: 'deep/./v.bin' }],
  ['backslashes', { location: '..\\outside\\secret' }],
  ['drive', { location: 'C:w.bin' }],
  ['zero byte', { location: 'w.bin\0.txt' }],
  ['nothing', { location: '' }],
  ['no location', { offset: '0' }],
  ['file that is not there', { location: 'missing.bin' }],
  ['an address in memory', { location: '*/_ORT_MEM_ADDR_/*', offset: '4096', length: '8' }],
  ['negative offset', { location: 'w.bin', offset: '-1' }],
  ['negative length', { location: 'w.bin', length: '-8' }],
  ['huge offset', { location: 'w.bin', offset: '101' }],
  ['huge length', { location: 'w.bin', length: '101' }],
  ['sum beyond the end', { location: 'w.bin', offset: '60', length: '41' }],
  ['offset of 2^64', { location: 'w.bin', offset: '18446744073709551616' }],
  ['offset that is no number', { location: 'w.bin', offset: '0x10' }],
  ['unknown key', { location: 'w.bin', mode: 'rw' }],
  ['dunder key', { location: 'w.bin', __class__: 'x' }],
])('external data is refused: %s', async (_, entries) => {
  await expect(companions(refersTo(entries))).rejects.toMatchObject({
    code: 'MODEL_EXTERNAL_DATA',
    message: expect.stringContaining("Tensor 'weights'"),
  });
});

test('the furthest reference counts, not the first or the last', async () => {
  const ends = ['60', '101', '80'].map((length) => refersTo({ location: 'w.bin', length }));
  await expect(companions(...ends)).rejects.toMatchObject({ code: 'MODEL_EXTERNAL_DATA' });
});

test('a key that stands twice is refused: readers differ in which they take', async () => {
  const entry = (location: string) => bytesField(13, textField(1, 'location'), textField(2, location));
  const twice = concat([
    intField(1, 2),
    intField(2, 1),
    textField(8, 'weights'),
    entry('w.bin'),
    entry('deep/v.bin'),
    intField(14, 1),
  ]);
  await expect(companions(twice)).rejects.toMatchObject({ code: 'MODEL_EXTERNAL_DATA' });
});

test('links are refused: symbolic, hard, a folder on the way, and a pipe does not hang', async () => {
  await symlink('../outside/secret', join(modelFolder, 'symbolic'));
  await symlink('w.bin', join(modelFolder, 'inside'));
  await link(join(folder, 'outside', 'secret'), join(modelFolder, 'hard'));
  await symlink('../outside', join(modelFolder, 'way'));
  await symlink('deep', join(modelFolder, 'way-inside'));
  execFileSync('mkfifo', [join(modelFolder, 'pipe')]);
  for (const location of ['symbolic', 'inside', 'hard', 'way/secret', 'way-inside/v.bin', 'pipe']) {
    await expect(companions(refersTo({ location })), location).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
    });
  }
});

test('inspect and open refuse it too, before ONNX Runtime sees the model', async () => {
  const path = join(modelFolder, 'm.onnx');
  await expect(companions(refersTo({ location: '../outside/secret' }))).rejects.toThrow();
  const file = { path, sha256: '' };
  const binding = { inputs: [], outputs: [] };
  await expect(onnx.inspect(file)).rejects.toMatchObject({ code: 'MODEL_EXTERNAL_DATA' });
  await expect(onnx.open(file, { binding, threads: 1 }, new AbortController().signal)).rejects.toMatchObject({
    code: 'MODEL_EXTERNAL_DATA',
  });
});

test('references are found wherever a tensor can stand', () => {
  const hidden = (name: string) => models.externalTensor(name, [1], { location: name });
  const attribute = (number: number, ...content: Piece[]) =>
    concat([textField(1, 'a'), bytesField(number, ...content)]);
  const nodeWith = (...attributes: Piece[]) => models.node('Op', [], ['o'], attributes);
  const graphWith = (...nodes: Piece[]) => models.graph({ inputs: [], outputs: [], nodes });
  const bytes = models.buildModel({
    inputs: [x],
    outputs: [y],
    initializers: [hidden('initializer')],
    nodes: [
      nodeWith(attribute(5, hidden('t')), attribute(10, hidden('tensors'))),
      nodeWith(
        attribute(22, bytesField(1, hidden('sparse values')), bytesField(2, hidden('sparse indices'))),
      ),
      nodeWith(attribute(23, bytesField(1, hidden('sparses')))),
      nodeWith(
        attribute(
          6,
          ...graphWith(
            nodeWith(
              attribute(
                11,
                ...models.graph({
                  inputs: [],
                  outputs: [],
                  nodes: [],
                  initializers: [hidden('two graphs down')],
                }),
              ),
            ),
          ),
        ),
      ),
    ],
    extra: [bytesField(15, bytesField(1, hidden('sparse initializer')))],
    modelExtra: [
      bytesField(
        25,
        bytesField(7, nodeWith(attribute(5, hidden('function')))),
        bytesField(11, attribute(5, hidden('function default'))),
      ),
      bytesField(
        20,
        bytesField(1, bytesField(5, hidden('training'))),
        bytesField(2, bytesField(5, hidden('training algorithm'))),
      ),
    ],
  });
  expect(
    externalReferences(bytes)
      .map(({ tensor }) => tensor)
      .sort(),
  ).toEqual([
    'function',
    'function default',
    'initializer',
    'sparse indices',
    'sparse initializer',
    'sparse values',
    'sparses',
    't',
    'tensors',
    'training',
    'training algorithm',
    'two graphs down',
  ]);
});

test('entries count even where the tensor says that its data is inside', () => {
  const tensor = concat([
    textField(8, 'w'),
    bytesField(13, textField(1, 'location'), textField(2, '../x')),
    intField(14, 0),
  ]);
  const bytes = models.buildModel({ inputs: [x], outputs: [y], initializers: [tensor], nodes: [] });
  expect(externalReferences(bytes)).toEqual([{ tensor: 'w', entries: [['location', '../x']] }]);
});
