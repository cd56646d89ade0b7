import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { modelsConformance } from '../models/models-conformance.ts';
import { openLedger, openLedgerInProcess } from './open-ledger.ts';

const random = { bytes: (n: number) => new Uint8Array(n), float: () => 0.5 };

describe('the model registry on SQLite', () => {
  modelsConformance(async () => openLedgerInProcess({ file: ':memory:', random }));
});

test('a version that was answered is there after closing and opening again, in the thread on a disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'models-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const input = {
    tenant: 'default',
    name: 'churn',
    bytes: { sha256: 'a', sizeBytes: 1, companions: [] },
    signature: { inputs: [], outputs: [] },
    contract: {},
    tags: {},
    description: null,
    createdMs: 1,
    createdBy: null,
    alias: 'champion',
  };
  const first = await openLedger({ folder, random });
  const added = first.models.addModelVersion(input);
  await first[Symbol.asyncDispose]();
  const { model } = await added;
  await using again = await openLedger({ folder, random });
  expect(await again.models.modelVersion('default', 'churn', 1)).toEqual(model);
  expect((await again.models.modelChoices('default', 'churn'))?.aliases).toEqual([
    { alias: 'champion', version: 1 },
  ]);
});
