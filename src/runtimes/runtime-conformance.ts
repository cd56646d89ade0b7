import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Column, RecordBatch } from '../core/columns.ts';
import type { Binding, OutputBinding } from '../core/signature.ts';
import type { ModelFile, Runtime, Session } from './runtime.ts';

/** What a runtime brings to be tested: files of its own kind with these models in them. */
export interface RuntimeSubject {
  readonly runtime: Runtime;
  /** features [N, 2] float32 -> y [N, 1] float32 = features[0] + 2 features[1] + 3. */
  readonly linear: ModelFile;
  /** x [N] int64 -> y [N] float32 = x; raises an error for a batch with a 13 in it. */
  readonly refuses13: ModelFile;
  /** As `refuses13`, but gives no answer for the 13. */
  readonly drops13: ModelFile;
  /** city [N] string -> country [N] string: 'bern' is 'ch', anything unknown is '?'. */
  readonly strings: ModelFile;
  /** A file that is no model. */
  readonly garbage: ModelFile;
  close(): Promise<void>;
}

const GO_ON = new AbortController().signal;
const LINEAR: Binding = {
  inputs: [{ input: 'features', type: 'float32', columns: ['f', 'g'], rank: 2 }],
  outputs: [{ output: 'y', column: 'score', type: 'float32', shape: 'scalar' }],
};
const COUNTED: Binding = {
  inputs: [{ input: 'x', type: 'int64', columns: ['n'], rank: 1 }],
  outputs: [{ output: 'y', column: 'y', type: 'float32', shape: 'scalar' }],
};

/** The contract of `Runtime` and `Session`; an adapter is done when it passes. */
export function describeRuntime(name: string, open: () => Promise<RuntimeSubject>): void {
  describe(`runtime contract: ${name}`, () => {
    let subject: RuntimeSubject;
    const sessions: Session[] = [];
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(async () => {
      for (const session of sessions) await session[Symbol.asyncDispose]();
      await subject.close();
    });
    const start = async (model: ModelFile, binding: Binding): Promise<Session> => {
      const session = await subject.runtime.open(model, { binding, threads: 1 }, GO_ON);
      sessions.push(session);
      return session;
    };

    test('inspect tells names, types and shapes', async () => {
      const { inputs, outputs } = await subject.runtime.inspect(subject.linear);
      expect(inputs.map(({ name, type, shape }) => [name, type, shape.length, shape[1]])).toEqual([
        ['features', 'float32', 2, 2],
      ]);
      expect(outputs.map(({ name, type }) => [name, type])).toEqual([['y', 'float32']]);
    });

    test('a file that is no model, or is not there, fails by code in inspect and in open', async () => {
      const missing = { ...subject.garbage, path: `${subject.garbage.path}.missing` };
      for (const [model, code] of [
        [subject.garbage, 'MODEL_INVALID'],
        [missing, 'MODEL_NOT_FOUND'],
      ] as const) {
        await expect(subject.runtime.inspect(model)).rejects.toMatchObject({
          code,
          message: expect.stringContaining(model.path),
        });
        await expect(subject.runtime.companions(model.path)).rejects.toMatchObject({ code });
        await expect(
          subject.runtime.open(model, { binding: LINEAR, threads: 1 }, GO_ON),
        ).rejects.toMatchObject({ code });
      }
    });

    test.each([1, 2, 7, 1000, 2048])('%i records get their own answers, in their order', async (rows) => {
      const session = await start(subject.linear, LINEAR);
      const { columns, rejects } = await session.infer(linearBatch(rows, 'block'), GO_ON);
      expect(rejects).toEqual([]);
      expect(columns.map((column) => column.name)).toEqual(['score']);
      expect(columns[0]?.values).toEqual(Float32Array.from({ length: rows }, (_, row) => linear(row)));
    });

    test('columns in one block, apart, and cut out of a larger batch give the same answers', async () => {
      const session = await start(subject.linear, LINEAR);
      const expected = Float32Array.from({ length: 50 }, (_, row) => linear(row + 10));
      for (const layout of ['block', 'apart'] as const) {
        const cut = cutBatch(linearBatch(100, layout), 10, 60);
        expect((await session.infer(cut, GO_ON)).columns[0]?.values).toEqual(expected);
      }
    });

    test('what a prediction holds outlives the buffers of its batch and the next call', async () => {
      const session = await start(subject.linear, LINEAR);
      const batch = linearBatch(64, 'block');
      const kept = (await session.infer(batch, GO_ON)).columns[0] as Column;
      for (const column of batch.columns) (column.values as Float32Array).fill(-1);
      await session.infer(batch, GO_ON);
      expect(kept.values).toEqual(Float32Array.from({ length: 64 }, (_, row) => linear(row)));
    });

    test('each bound output is a column under its own name, in the order of the binding', async () => {
      const [output] = LINEAR.outputs as [OutputBinding];
      const twice: Binding = {
        ...LINEAR,
        outputs: [
          { ...output, column: 'second' },
          { ...output, column: 'first' },
        ],
      };
      const { columns } = await (await start(subject.linear, twice)).infer(linearBatch(3, 'apart'), GO_ON);
      expect(columns.map((column) => column.name)).toEqual(['second', 'first']);
      expect(columns[0]?.values).toEqual(columns[1]?.values);
    });

    test('text goes in and comes out, and is not changed on the way', async () => {
      const binding: Binding = {
        inputs: [{ input: 'city', type: 'string', columns: ['city'], rank: 1 }],
        outputs: [{ output: 'country', column: 'country', type: 'string', shape: 'scalar' }],
      };
      const values = ['bern', 'Zürich 🏔', '', 'a b', 'bern'];
      const { columns } = await (await start(subject.strings, binding)).infer(
        batchOf([{ name: 'city', type: 'string', values }]),
        GO_ON,
      );
      expect(columns).toEqual([{ name: 'country', type: 'string', values: ['ch', '?', '?', '?', 'ch'] }]);
    });

    test('one record spoils its batch with MODEL_REFUSED, and the session goes on without it', async () => {
      const session = await start(subject.refuses13, COUNTED);
      await expect(session.infer(countedBatch([12, 13, 14]), GO_ON)).rejects.toMatchObject({
        code: 'MODEL_REFUSED',
      });
      expect((await session.infer(countedBatch([12, 14]), GO_ON)).columns[0]?.values).toEqual(
        Float32Array.of(12, 14),
      );
    });

    test('too few answers are PREDICTION_COUNT, never a shifted column', async () => {
      const session = await start(subject.drops13, COUNTED);
      await expect(session.infer(countedBatch([12, 13, 14]), GO_ON)).rejects.toMatchObject({
        code: 'PREDICTION_COUNT',
      });
      await expect(session.infer(countedBatch([13]), GO_ON)).rejects.toMatchObject({
        code: 'PREDICTION_COUNT',
      });
      expect((await session.infer(countedBatch([12, 14]), GO_ON)).columns[0]?.values).toEqual(
        Float32Array.of(12, 14),
      );
    });

    test('an aborted signal begins nothing', async () => {
      const session = await start(subject.linear, LINEAR);
      const aborted = AbortSignal.abort(new Error('enough'));
      await expect(session.infer(linearBatch(1, 'block'), aborted)).rejects.toThrow('enough');
      await expect(
        subject.runtime.open(subject.linear, { binding: LINEAR, threads: 1 }, aborted),
      ).rejects.toThrow('enough');
    });
  });
}

function linear(row: number): number {
  return row + 2 * (row % 7) + 3;
}

/** 'block': the second column's values lie right behind the first's, as the reader lays them out. 'apart': only seemingly. */
function linearBatch(rows: number, layout: 'block' | 'apart'): RecordBatch {
  const block = new Float32Array(2 * rows);
  const f = layout === 'block' ? block.subarray(0, rows) : new Float32Array(rows);
  const g = layout === 'block' ? block.subarray(rows) : new Float32Array(2 * rows).subarray(rows);
  for (let row = 0; row < rows; row++) {
    f[row] = row;
    g[row] = row % 7;
  }
  return batchOf([
    { name: 'f', type: 'float32', values: f },
    { name: 'g', type: 'float32', values: g },
  ]);
}

function countedBatch(numbers: readonly number[]): RecordBatch {
  return batchOf([{ name: 'n', type: 'int64', values: BigInt64Array.from(numbers, BigInt) }]);
}

function batchOf(columns: readonly Column[]): RecordBatch {
  const rows = columns[0]?.values.length ?? 0;
  return { rows, rowNumbers: Float64Array.from({ length: rows }, (_, row) => row), columns };
}

function cutBatch(batch: RecordBatch, from: number, to: number): RecordBatch {
  const columns = batch.columns.map((column) => ({
    ...column,
    values: (column.values as Float32Array).subarray(from, to),
  }));
  return { rows: to - from, rowNumbers: batch.rowNumbers.subarray(from, to), columns };
}
