import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { identityModel } from '../../../test/onnx-builder.ts';
import { jobIdentity } from '../../spec/identity.ts';
import { type JobSpec, parseJobSpec } from '../../spec/job-spec.ts';
import type { SubmitInput } from '../../state/ledger/ledger.ts';
import { submission } from '../../state/ledger/ledger-fixture-conformance.ts';
import { type OpenLedger, openLedgerInProcess } from '../../state/sqlite/open-ledger.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { registryOver } from '../registry-over.ts';
import { EMBEDDED_TENANT } from '../state-folder.ts';
import { systemRandom } from '../system-ports.ts';
import { lookAtDestination, lookAtUnfinished } from './look-at-destination.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-look-at-destination-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const storage = createLocalStorage({ root: '/' });
const openMemory = () => openLedgerInProcess({ file: ':memory:', random: systemRandom });

function specIn(name: string, overrides: object = {}): JobSpec {
  const folder = join(home, name);
  mkdirSync(join(folder, 'in'), { recursive: true });
  writeFileSync(join(folder, 'in/a.parquet'), 'never read here');
  writeFileSync(join(folder, 'm.onnx'), identityModel());
  return parseJobSpec(
    {
      name,
      model_id: 'm.onnx',
      input: { source: 'parquet', path: 'in/', key: 'id' },
      output: { destination: 'parquet', path: 'out' },
      ...overrides,
    },
    { folder },
  );
}

/** The unfinished job that a run of this specification would have made. */
async function unfinished(ledger: OpenLedger, spec: JobSpec, overrides: Partial<SubmitInput> = {}) {
  const { sha256 } = await registryOver(ledger, storage).resolve(EMBEDDED_TENANT, spec.model_id);
  await ledger.submit(
    submission({
      identity: jobIdentity(EMBEDDED_TENANT, spec),
      destination: spec.output.path,
      spec: { spec, adopt: false },
      modelSha256: sha256,
      ...overrides,
    }),
  );
}

describe('the destination of a job that is not there yet', () => {
  const look = (spec: JobSpec, ledger: OpenLedger) =>
    lookAtDestination(spec, { jobId: 'job-check', adopt: false }, ledger, storage);

  test('another unfinished job writes there: named, with how to end it; the job itself is not in its own way', async () => {
    await using ledger = await openMemory();
    const spec = specIn('busy');
    await unfinished(ledger, spec);
    await look(spec, ledger);
    const other = specIn('busy', { input: { source: 'parquet', path: 'in/', key: 'other' } });
    await expect(look(other, ledger)).rejects.toMatchObject({
      code: 'DESTINATION_BUSY',
      message: expect.stringContaining('Job job-1 ("churn")'),
      next: expect.stringContaining('batchwright cancel job-1'),
      place: { file: spec.output.path },
    });
  });

  test('a later run would find the result among its input, or among a table that is joined to it', async () => {
    await using ledger = await openMemory();
    const output = { destination: 'parquet', path: 'in/out' };
    await expect(look(specIn('overlap', { output }), ledger)).rejects.toMatchObject({
      code: 'DESTINATION_IN_INPUT',
    });
    const side = { source: 'parquet', path: 'in/', join: { on: { id: 'id' } } };
    const input = { source: 'parquet', path: 'm.onnx', key: 'id', side_inputs: { side } };
    await expect(look(specIn('overlap-side', { input, output }), ledger)).rejects.toMatchObject({
      code: 'DESTINATION_IN_INPUT',
    });
  });

  test('an input that is not there hides nothing that stands at the destination', async () => {
    await using ledger = await openMemory();
    const spec = specIn('no-input', { input: { source: 'parquet', path: 'none.parquet', key: 'id' } });
    writeFileSync(spec.output.path, 'mine');
    await expect(look(spec, ledger)).rejects.toMatchObject({ code: 'DESTINATION_UNWRITABLE' });
  });
});

describe('an unfinished job that a run would go on with', () => {
  test('is told by its id; where there is none, nothing is', async () => {
    await using ledger = await openMemory();
    const spec = specIn('resumes');
    const look = () => lookAtUnfinished(spec, ledger, registryOver(ledger, storage), storage);
    expect(await look()).toBeNull();
    await unfinished(ledger, spec);
    expect(await look()).toBe('job-1');
  });

  test('whose model has changed since would be refused', async () => {
    await using ledger = await openMemory();
    const spec = specIn('changed');
    await unfinished(ledger, spec, { modelSha256: 'another' });
    await expect(
      lookAtUnfinished(spec, ledger, registryOver(ledger, storage), storage),
    ).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
  });
});
