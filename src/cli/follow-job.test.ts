import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { processIdentity } from '../compute/local/process-identity.ts';
import { Failure } from '../core/errors.ts';
import { followJob } from './follow-job.ts';
import { openOutput } from './output.ts';

const state = mkdtempSync(join(tmpdir(), 'batchwright-follow-'));
afterAll(() => rmSync(state, { recursive: true, force: true }));

test('a manager that goes away while a job is submitted to it is replaced by one of this process', async () => {
  const leaving = createServer((_, response) => response.end(JSON.stringify({ jobs: [] })));
  leaving.listen(0, '127.0.0.1');
  await once(leaving, 'listening');
  const url = `http://127.0.0.1:${(leaving.address() as AddressInfo).port}`;
  const endpoint = { url, token: 'secret', pid: process.pid, process: processIdentity(process.pid) };
  writeFileSync(join(state, 'endpoint.json'), JSON.stringify(endpoint));
  let asked = 0;
  const begin = async (): Promise<string> => {
    asked += 1;
    if (asked > 1) throw new Failure('USAGE', 'The manager of this process was asked.');
    rmSync(join(state, 'endpoint.json'));
    throw new Failure('MANAGER_UNREACHABLE', 'It does not answer.');
  };
  await expect(followJob(state, begin, openOutput({ quiet: true }))).rejects.toMatchObject({ code: 'USAGE' });
  leaving.close();
  expect(asked).toBe(2);
});
