import { linkSync, readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { noSuchModel } from '../src/core/choose-version.ts';
import { createEmbeddedRegistry } from '../src/registry/embedded/embedded-registry.ts';
import { importModel } from '../src/registry/embedded/import-model.ts';
import { storedFiles } from '../src/registry/embedded/stored-model.ts';
import { createLocalRegistry } from '../src/registry/local/local-registry.ts';
import { describeRegistry } from '../src/registry/registry-conformance.ts';
import { checkCompanions } from '../src/runtimes/onnx/companion-files.ts';
import { externalReferences } from '../src/runtimes/onnx/external-references.ts';
import { onnx } from '../src/runtimes/onnx/onnx-runtime.ts';
import { createLocalStorage } from '../src/storage/local.ts';
import { buildModel, externalDataModel, sequenceOfMaps } from './onnx-builder.ts';

const WEIGHTS = Float32Array.of(1, 2, 3);

/** A folder with a model `m.onnx` and its weights, and an empty storage. */
async function workplace() {
  const home = await mkdtemp(join(tmpdir(), 'registry-'));
  const folder = join(home, 'models');
  await mkdir(join(folder, 'weights'), { recursive: true });
  await mkdir(join(home, 'storage'));
  const graph = externalDataModel('weights/w.bin', 3);
  await writeFile(join(folder, 'm.onnx'), graph);
  await writeFile(join(folder, 'weights/w.bin'), WEIGHTS);
  const storage = createLocalStorage({ root: join(home, 'storage') });
  const shared = { tenant: 'default', storage, graph, weights: new Uint8Array(WEIGHTS.buffer) };
  return { ...shared, home, model: join(folder, 'm.onnx'), close: () => rm(home, { recursive: true }) };
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await writeFile(path, bytes);
}

const inspecting = (storage: ReturnType<typeof createLocalStorage>) => ({
  storage,
  companionsOf: onnx.companions,
  inspect: (path: string, sha256: string) => onnx.inspect({ path, sha256 }),
});

describeRegistry('local files', async () => {
  const place = await workplace();
  return {
    ...place,
    registry: createLocalRegistry({ companionsOf: onnx.companions }),
    reference: place.model,
    unknown: join(place.home, 'none.onnx'),
    store: 'models',
    damage: (what) => flipByte(what === 'graph' ? place.model : join(dirname(place.model), 'weights/w.bin')),
  };
});

describeRegistry('embedded', async () => {
  const place = await workplace();
  const { storage } = place;
  const store = 'registry/default';
  const { bytes, signature } = await importModel(place.model, store, inspecting(storage));
  // The registry has a copy of its own.
  await rm(dirname(place.model), { recursive: true });
  const model = {
    tenant: 'default',
    name: 'churn',
    version: 1,
    bytes,
    signature,
    contract: {},
    tags: {},
    description: null,
    createdMs: 1,
    createdBy: null,
    removed: null,
  };
  return {
    ...place,
    registry: createEmbeddedRegistry({
      storage,
      async find(tenant, reference) {
        if (tenant !== 'default' || reference.name !== 'churn')
          throw await noSuchModel(reference, ['churn'], async () => []);
        return { model, alias: null };
      },
    }),
    reference: 'churn@1',
    unknown: 'chrun',
    store,
    async damage(what) {
      const [main, weights] = storedFiles(store, bytes);
      await flipByte(await storage.localPath((what === 'graph' ? main : weights)?.key ?? ''));
    },
  };
});

test('importing again repairs stored bytes that are wrong, gone, or linked twice by a process that died', async () => {
  const place = await workplace();
  onTestFinished(place.close);
  const { storage, model } = place;
  const imported = await importModel(model, 'registry', inspecting(storage));
  const [main, weights] = storedFiles('registry', imported.bytes);
  const mainPath = await storage.localPath(main.key);
  const weightsPath = await storage.localPath(weights?.key ?? '');
  const damages = [
    () => flipByte(mainPath),
    () => flipByte(weightsPath),
    () => rm(mainPath),
    async () => linkSync(weightsPath, join(dirname(weightsPath), '.left-behind.staged')),
  ];
  for (const damage of damages) {
    await damage();
    expect(await importModel(model, 'registry', inspecting(storage))).toEqual(imported);
    expect(Buffer.compare(await readFile(mainPath), place.graph)).toBe(0);
    expect((await stat(weightsPath)).nlink).toBe(1);
    await checkCompanions(mainPath, externalReferences(place.graph));
  }
});

test('a model that is refused leaves nothing in the storage', async () => {
  const place = await workplace();
  onTestFinished(place.close);
  await cp(place.model, join(place.home, 'lonely.onnx'));
  await writeFile(join(place.home, 'half.onnx'), place.graph.subarray(0, place.graph.length / 2));
  await writeFile(
    join(place.home, 'odd.onnx'),
    buildModel({
      inputs: [{ name: 'x', type: sequenceOfMaps('int64') }],
      outputs: [{ name: 'x', type: 'float32' }],
      nodes: [],
    }),
  );
  for (const [file, code] of [
    ['odd.onnx', 'MODEL_UNSUPPORTED'],
    ['lonely.onnx', 'MODEL_EXTERNAL_DATA'],
    ['half.onnx', 'MODEL_INVALID'],
    ['none.onnx', 'MODEL_NOT_FOUND'],
  ] as const) {
    await expect(
      importModel(join(place.home, file), 'registry', inspecting(place.storage)),
    ).rejects.toMatchObject({ code });
  }
  expect(readdirSync(join(place.home, 'storage'))).toEqual([]);
});

test('a main file never takes the name of its external data', async () => {
  const bytes = (name: string) => ({
    sha256: 'a',
    sizeBytes: 1,
    companions: [{ name, sizeBytes: 1, sha256: 'b' }],
  });
  for (const name of ['model.onnx', 'model.onnx/w.bin', 'w.bin']) {
    const keys = storedFiles('registry', bytes(name)).map((file) => file.key);
    expect(new Set(keys).size).toBe(2);
    expect(keys[1]?.startsWith(`${keys[0]}/`)).toBe(false);
  }
});
