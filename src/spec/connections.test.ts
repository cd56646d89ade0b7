import { describe, expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { parseConfiguration, requireConnection, secretVariables } from './connections.ts';
import { parseJobSpec } from './job-spec.ts';

const parse = (text: string) => parseConfiguration(text, 'batchwright.yaml', '/etc/bw');

function refusal(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('what is declared, with ports and paths filled in', () => {
  const { connections } = parse(`
connections:
  warehouse: { kind: postgres, url: "postgres://app%40x@db.internal/shop?sslmode=require", password: { env: SHOP_PASSWORD } }
  socket: { kind: postgres, url: "postgres://app@/shop?host=/run/postgresql" }
  maria: { kind: mysql, url: "mariadb://app@[::1]:3307/shop", password: { file: secret }, tls: { ca: ca.pem } }
  vault: { kind: mysql, url: "mysql://app@h/shop", password: { exec: [vault, read, -field=x], environment: [VAULT_ADDR] } }
  local: { kind: duckdb, path: warehouse.duckdb }
  lite: { kind: sqlite, path: /data/x.sqlite }`);
  expect(connections).toEqual({
    warehouse: {
      kind: 'postgres',
      host: 'db.internal',
      port: 5432,
      user: 'app@x',
      database: 'shop',
      password: { env: 'SHOP_PASSWORD' },
      tls: { verify: true },
    },
    socket: {
      kind: 'postgres',
      host: '',
      socket: '/run/postgresql',
      port: 5432,
      user: 'app',
      database: 'shop',
    },
    maria: {
      kind: 'mysql',
      host: '::1',
      port: 3307,
      user: 'app',
      database: 'shop',
      password: { file: '/etc/bw/secret' },
      tls: { verify: true, ca: '/etc/bw/ca.pem' },
    },
    vault: {
      kind: 'mysql',
      host: 'h',
      port: 3306,
      user: 'app',
      database: 'shop',
      password: { exec: ['vault', 'read', '-field=x'], environment: ['VAULT_ADDR'] },
    },
    local: { kind: 'duckdb', path: '/etc/bw/warehouse.duckdb' },
    lite: { kind: 'sqlite', path: '/data/x.sqlite' },
  });
  expect(secretVariables(connections)).toEqual(['SHOP_PASSWORD', 'VAULT_ADDR']);
});

describe('what is wrong is told with its line, and no url or password is repeated', () => {
  test.each([
    ['conections: {}', 1, /did you mean connections\?/],
    [
      'connections:\n  a: { kind: duckdb, pth: x }',
      2,
      /pth does not exist; did you mean path\?|path must be/,
    ],
    ['connections:\n  a: { kind: duckdb, path: x, pasword: y }', 2, /did you mean password\?/],
    ['connections:\n  a: { kind: oracle, path: x }', 2, /kind must be duckdb, postgres, mysql/],
    ['connections:\n  a: { kind: postgres }', 2, /url must be/],
    ['connections:\n  a: { kind: postgres, url: "postgres://app:canary@h/d" }', 2, /holds a password/],
    ['connections:\n  a: { kind: postgres, url: "mysql://app@h/canary" }', 2, /begin with postgres:/],
    ['connections:\n  a: { kind: postgres, url: "canary" }', 2, /is no URL/],
    ['connections:\n  a: { kind: postgres, url: "postgres://h/d" }', 2, /names no user/],
    ['connections:\n  a: { kind: postgres, url: "postgres://u@h" }', 2, /names no database/],
    ['connections:\n  a: { kind: postgres, url: "postgres://u@h/d?sslmode=prefer" }', 2, /unknown sslmode/],
    [
      'connections:\n  a: { kind: postgres, url: "postgres://u@h/d?password=canary" }',
      2,
      /parameter that is not known/,
    ],
    [
      'connections:\n  a: { kind: postgres, url: "postgres://u@h/d?sslmode=disable", tls: {} }',
      2,
      /says that there is none/,
    ],
    [
      'connections:\n  a: { kind: postgres, url: "postgres://u@h/d", password: canary }',
      2,
      /password itself never/,
    ],
    [
      'connections:\n  a: { kind: postgres, url: "postgres://u@h/d", password: { env: "a b" } }',
      2,
      /must be \{ env/,
    ],
    ['connections:\n  "a b": { kind: duckdb, path: x }', 2, /is no name/],
    ['connections: [', 1, /configuration is not YAML/],
  ])('%j', (text, line, message) => {
    const failure = refusal(() => parse(text));
    expect(failure.code).toBe('CONFIG_INVALID');
    expect(failure.message).toMatch(message);
    expect(failure.place.line).toBe(line);
    expect(JSON.stringify(failure.toJSON())).not.toContain('canary');
  });
});

test('a connection that is not there is told with those that are', () => {
  const { connections } = parse('connections: { warehouse: { kind: duckdb, path: x } }');
  expect(refusal(() => requireConnection('warehose', connections, 'bw.yaml')).message).toBe(
    'There is no connection warehose: bw.yaml has warehouse. Did you mean warehouse?',
  );
  expect(refusal(() => requireConnection('toString', connections, 'bw.yaml')).code).toBe(
    'CONNECTION_UNKNOWN',
  );
});

test('a resolved job with a query is a fixed point, and says what is missing or too much', () => {
  const raw = {
    model_id: 'm.onnx',
    input: {
      source: 'sql',
      connection: 'w',
      query: 'SELECT 1',
      unfold: { v: ['a', 'b'] },
      timeout_seconds: 5,
    },
    output: { destination: 'parquet', path: 'out' },
  };
  const origin = { folder: '/work' };
  const spec = parseJobSpec(raw, origin);
  expect(parseJobSpec(spec, origin)).toEqual(spec);
  expect(spec.input).not.toHaveProperty('path');
  const problems = (input: object) =>
    refusal(() => parseJobSpec({ ...raw, input }, origin)).message.replace(/\n */g, ' ');
  expect(problems({ source: 'sql' })).toMatch(/input.connection is missing.*input.query is missing/);
  expect(problems({ ...raw.input, path: 'x' })).toMatch(/input.path is for source: parquet/);
  expect(problems({ ...raw.input, delimiter: ';' })).toMatch(/input.delimiter is for source: csv/);
  expect(problems({ ...raw.input, unfold: { v: ['a'], w: ['A'] } })).toMatch(/second column A/);
  expect(
    problems({ ...raw.input, side_inputs: { s: { source: 'table', connection: 'w' } }, transform: 'x' }),
  ).toMatch(/input.side_inputs.s.table is missing/);
});
