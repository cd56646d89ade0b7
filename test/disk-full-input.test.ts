import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const ROWS = 300_000;
const shop = workshop('disk-full', { model: '../identity.onnx', key: 'id', features: 'x' });
const at = (name: string) => join(shop.home, name);

beforeAll(async () => {
  writeFileSync(at('identity.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x, md5(i::VARCHAR) AS t FROM range(${ROWS}) t(i)) TO '${at('in.csv')}' (FORMAT csv, HEADER)`,
  );
  writeFileSync(at('in.csv.gz'), gzipSync(readFileSync(at('in.csv'))));
  await sql(`COPY (FROM '${at('in.csv')}') TO '${at('in.parquet')}' (FORMAT parquet)`);
});
afterAll(() => shop.remove());

/** Runs what follows with 8 MB at `folder`, seen by nobody else; writes down which files are there at the end. */
function withSmallDisk(folder: string): string[] {
  const script = `mount -t tmpfs -o size=8m,mode=777 none '${folder}' && { "$@"; code=$?; find '${folder}' -type f > '${folder}.seen'; exit $code; }`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
}

const canMount = (() => {
  if (process.getuid?.() !== 0) return false;
  const [program = '', ...args] = withSmallDisk(shop.bench('probe').folder);
  return spawnSync(program, [...args, 'true']).status === 0;
})();

describe.skipIf(!canMount)(
  'a disk that fills up while the input is pinned (needs root, to mount a small one)',
  () => {
    const TRANSFORM = 'SELECT id, x, t || t AS t FROM input';
    test.concurrent.each([
      { what: 'CSV being turned into Parquet', input: 'in.csv', transform: null },
      { what: 'CSV being copied, as it is compressed', input: 'in.csv.gz', transform: null },
      { what: 'input.transform', input: 'in.parquet', transform: TRANSFORM },
    ])(
      '$what: the job fails with DISK_FULL, nothing half-written stays, and with space it is done',
      async ({ input, transform }) => {
        const bench = shop.bench(`${input}-disk`);
        writeFileSync(
          join(bench.folder, 'job.yaml'),
          `model_id: ../identity.onnx
input: { source: ${input.endsWith('parquet') ? 'parquet' : 'csv'}, path: ../${input}, key: id, features: [x]${transform === null ? '' : `, transform: "${transform}"`} }
output: { destination: parquet, path: out }
`,
        );
        const flags = { model: null, key: null, features: null, output: null };
        const staging = join(bench.folder, 'state/workspace/jobs');
        mkdirSync(staging, { recursive: true });
        const result = await bench.run(flags, { file: 'job.yaml', under: withSmallDisk(staging) });
        expectRefused(result, {
          exit: 1,
          code: 'DISK_FULL',
          names: [/no space/i, 'Free space, then run the same command'],
        });
        expect(readFileSync(`${staging}.seen`, 'utf8')).toBe('');
        expectNothingAt(bench.out);
        // The job has ended; what the message says to do does it all from the beginning.
        const job = expectCompleted(await bench.run(flags, { file: 'job.yaml' }));
        expect(job.counts).toMatchObject({ read: ROWS, scored: ROWS });
      },
    );
  },
);
