import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Column, RecordBatch } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';
import type { Session } from '../runtimes/runtime.ts';
import { scoreBatch } from './score-batch.ts';

/** Doubles its input; refuses, miscounts or answers NaN for whole batches that hold certain records. */
function sessionWith(
  bad: ReadonlyMap<number, 'refuse' | 'miscount' | 'memory' | 'nan'>,
): Session & { calls: number } {
  return {
    calls: 0,
    maxConcurrentBatches: 1,
    async infer(batch) {
      this.calls += 1;
      for (const row of batch.rowNumbers) {
        const how = bad.get(row);
        if (how === 'refuse') throw new Failure('MODEL_REFUSED', 'no');
        if (how === 'miscount') throw new Failure('PREDICTION_COUNT', 'too few');
        if (how === 'memory') throw new Failure('OUT_OF_MEMORY', 'too much');
      }
      const values = Float32Array.from(batch.rowNumbers, (row) =>
        bad.get(row) === 'nan' ? Number.NaN : row * 2,
      );
      return { columns: [{ name: 'y', type: 'float32', values }], rejects: [] };
    },
    async [Symbol.asyncDispose]() {},
  };
}

function batchOf(rowNumbers: readonly number[]): RecordBatch {
  const numbers = Float64Array.from(rowNumbers);
  return {
    rows: numbers.length,
    rowNumbers: numbers,
    columns: [{ name: 'x', type: 'float32', values: Float32Array.from(numbers) }],
  };
}

async function score(rowNumbers: readonly number[], session: Session, allowed = Number.POSITIVE_INFINITY) {
  const scored = new Map<number, number>();
  const rejected = new Map<number, string>();
  const seen: number[] = [];
  const covered = await scoreBatch(batchOf(rowNumbers), {
    session,
    allowNonFinite: false,
    signal: new AbortController().signal,
    guard: (_rows, call) => call(),
    exhausted: () => rejected.size > allowed,
    outOfMemory: () => {},
    answers: {
      append(rows: Float64Array, columns: readonly Column[]) {
        const { values } = columns[0] as Column;
        for (const [index, row] of rows.entries()) {
          seen.push(row);
          scored.set(row, values[index] as number);
        }
      },
      reject({ rowNumber, code }) {
        seen.push(rowNumber);
        rejected.set(rowNumber, code);
      },
    },
  });
  return { scored, rejected, seen, covered };
}

test('whatever a model refuses, each record is answered once, in order, and only the culprits are rejected', async () => {
  const codes = {
    refuse: 'MODEL_REFUSED',
    miscount: 'PREDICTION_COUNT',
    memory: 'RECORD_OUT_OF_MEMORY',
    nan: 'PREDICTION_NOT_FINITE',
  } as const;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.constantFrom('refuse', 'miscount', 'memory', 'nan', 'good', 'good', 'good'), {
        minLength: 60,
        maxLength: 60,
      }),
      async (unsorted, kinds) => {
        const rows = unsorted.sort((a, b) => a - b);
        const bad = new Map(
          rows.flatMap((row, index) => (kinds[index] === 'good' ? [] : [[row, kinds[index]] as const])),
        );
        const { scored, rejected, seen, covered } = await score(rows, sessionWith(bad as Map<number, 'nan'>));
        expect([...seen].sort((a, b) => a - b)).toEqual(rows);
        expect(covered).toBe((rows.at(-1) as number) + 1);
        for (const row of rows) {
          const how = bad.get(row) as keyof typeof codes | undefined;
          if (how === undefined) expect(scored.get(row)).toBe(row * 2);
          else expect(rejected.get(row)).toBe(codes[how]);
        }
      },
    ),
  );
});

test('one culprit in a thousand costs some twenty calls, not a thousand', async () => {
  const session = sessionWith(new Map([[617, 'refuse' as const]]));
  const { rejected } = await score(
    Array.from({ length: 1_000 }, (_, row) => row),
    session,
  );
  expect([...rejected.keys()]).toEqual([617]);
  expect(session.calls).toBeLessThanOrEqual(21);
});

test('a model that refuses everything stops at the budget, and says up to which row all is answered', async () => {
  const rows = Array.from({ length: 1_000 }, (_, row) => row);
  const session = sessionWith(new Map(rows.map((row) => [row, 'refuse' as const])));
  const { seen, covered } = await score(rows, session, 2);
  expect(covered).toBe(3);
  expect(seen).toEqual([0, 1, 2]);
});

test('what is no answer of the model at all is MODEL_FAILED, and no record is blamed for it', async () => {
  const broken = sessionWith(new Map());
  broken.infer = async () => {
    throw new Error('the runtime lost its session');
  };
  await expect(score([1, 2, 3], broken)).rejects.toMatchObject({
    code: 'MODEL_FAILED',
    message: 'the runtime lost its session',
  });
});
