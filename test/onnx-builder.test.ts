import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { mlpModel, treesModel } from './onnx-builder.ts';

const BUILDER = new URL('./onnx-builder.ts', import.meta.url).href;
const RUNTIME = createRequire(import.meta.url).resolve('onnxruntime-node');

/** Scores 12 and then 13 in a process of its own. */
function scoreInChild(model: string, timeoutMs: number): Promise<{ stdout: string }> {
  const script = `
    const ort = (await import(${JSON.stringify(RUNTIME)})).default;
    const models = await import(${JSON.stringify(BUILDER)});
    const session = await ort.InferenceSession.create(models.${model}(13));
    for (const x of [12n, 13n]) {
      const { y } = await session.run({ x: new ort.Tensor('int64', BigInt64Array.of(x), [1]) });
      process.stdout.write(y.data[0] + ' ');
    }`;
  return promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
}

test.runIf(process.arch === 'x64')(
  'crashingModel really kills its process, on its one record only',
  async () => {
    await expect(scoreInChild('crashingModel', 60_000)).rejects.toMatchObject({
      stdout: '12 ',
      signal: 'SIGFPE',
    });
  },
);

test('hangingModel really does not come back from its one record', async () => {
  await expect(scoreInChild('hangingModel', 1500)).rejects.toMatchObject({
    stdout: '12 ',
    killed: true,
    signal: 'SIGKILL',
  });
});

test('a model is the same bytes every time', () => {
  expect(mlpModel()).toEqual(mlpModel());
  expect(treesModel()).toEqual(treesModel());
});
