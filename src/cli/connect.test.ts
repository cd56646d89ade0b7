import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processIdentity } from '../compute/local/process-identity.ts';
import { openLedger } from '../state/sqlite/open-ledger.ts';
import { look } from './connect.ts';
import { systemRandom } from './system-ports.ts';

const state = mkdtempSync(join(tmpdir(), 'batchwright-connect-'));
/** Somebody else's server on the port that a killed manager had; notes what it is shown. */
const shown: (string | undefined)[] = [];
const stranger = createServer((request, response) => {
  shown.push(request.headers.authorization);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ jobs: [] }));
});
let url = '';

beforeAll(async () => {
  stranger.listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  await (await openLedger({ folder: state, random: systemRandom }))[Symbol.asyncDispose]();
});
afterAll(() => {
  stranger.close();
  rmSync(state, { recursive: true, force: true });
});

const STALE = [
  { what: 'a process that is gone', pid: () => spawnSync('true').pid, process: 'proc:gone' },
  {
    what: 'a process whose number another one has now',
    pid: () => process.pid,
    process: processIdentity(process.pid).replace(/:\d+:(\w+)$/, ':1:$1'),
  },
  { what: 'a version that did not say who it was', pid: () => process.pid, process: undefined },
];

test.each(STALE)('a token is not shown to whoever listens where $what had listened', async (stale) => {
  const endpoint = { url, token: 'secret', pid: stale.pid(), process: stale.process };
  writeFileSync(join(state, 'endpoint.json'), JSON.stringify(endpoint));
  const { client, pid, close } = await look(state);
  expect(await client.list({ limit: 1 })).toEqual([]);
  await close();
  expect({ pid, shown }).toEqual({ pid: null, shown: [] });
});

test('a living manager is asked', async () => {
  const endpoint = { url, token: 'secret', pid: process.pid, process: processIdentity(process.pid) };
  writeFileSync(join(state, 'endpoint.json'), JSON.stringify(endpoint));
  const { pid, close } = await look(state);
  await close();
  expect({ pid, shown }).toEqual({ pid: process.pid, shown: ['Bearer secret'] });
});

test('a manager that goes away between two questions is followed by a look into the ledger', async () => {
  let asked = 0;
  const leaving = createServer((request, response) => {
    asked += 1;
    response.setHeader('content-type', 'application/json');
    if (asked === 1) return void response.end(JSON.stringify({ jobs: [] }));
    rmSync(join(state, 'endpoint.json'), { force: true });
    request.socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(leaving, 'listening');
  const port = (leaving.address() as AddressInfo).port;
  const endpoint = {
    url: `http://127.0.0.1:${port}`,
    token: 'secret',
    pid: process.pid,
    process: processIdentity(process.pid),
  };
  writeFileSync(join(state, 'endpoint.json'), JSON.stringify(endpoint));
  const { client, pid, close } = await look(state);
  expect(pid).toBe(process.pid);
  expect(await client.list({ limit: 1 })).toEqual([]);
  await expect(client.status('job-none')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  await close();
  leaving.close();
  expect(asked).toBeGreaterThan(1);
});
