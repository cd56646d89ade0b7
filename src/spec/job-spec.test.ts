import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { parseJobFile, parseJobSpec } from './job-spec.ts';

const SMALL = {
  model_id: 'm.onnx',
  input: { source: 'parquet', path: 'in/*.parquet' },
  output: { destination: 'parquet', path: 'out' },
};
const FOLDER = '/jobs';

function refusal(parse: () => unknown): Failure {
  try {
    parse();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('was not refused');
}

/** The small specification with one line put in, as a file. */
function fileWith(section: 'top' | 'input' | 'output' | 'config', line: string): string {
  const at = (name: string) => (section === name ? [`  ${line}`] : []);
  return [
    'model_id: m.onnx',
    'input:',
    '  source: parquet',
    ...(line.startsWith('path:') && section === 'input' ? [] : ['  path: in']),
    ...at('input'),
    'output:',
    '  destination: parquet',
    ...(line.startsWith('path:') && section === 'output' ? [] : ['  path: out']),
    ...at('output'),
    ...(section === 'config' ? ['config:', `  ${line}`] : []),
    ...(section === 'top' ? [line] : []),
  ].join('\n');
}

test('the small specification gets all defaults and absolute paths', () => {
  expect(parseJobSpec(SMALL, { folder: FOLDER })).toEqual({
    name: 'm',
    model_id: '/jobs/m.onnx',
    input: { source: 'parquet', path: ['/jobs/in/*.parquet'], unique_key: false, on_null: 'reject' },
    output: {
      destination: 'parquet',
      path: '/jobs/out',
      mode: 'error',
      include: [],
      allow_non_finite: false,
    },
    config: {
      batch_size: 1000,
      parallelism: 4,
      max_memory_gb: 16,
      timeout_minutes: 60,
      batch_timeout_seconds: 300,
      retry_count: 3,
      error_budget: { count: 0 },
    },
    tags: {},
    provenance: {},
  });
});

test('nobody can change a specification that has been accepted', () => {
  const spec = parseJobSpec({ ...SMALL, provenance: { a: { b: [1] } } }, { folder: FOLDER });
  expect(() => Object.assign(spec.config, { batch_size: 1 })).toThrow(TypeError);
  expect(() => ((spec.provenance.a as { b: number[] }).b[0] = 2)).toThrow(TypeError);
});

test('paths start at the folder of the job file, and the file names the job', () => {
  const spec = parseJobFile(fileWith('input', 'path: [../a/*.parquet, /b]'), 'sub/nightly.yaml', '/jobs/sub');
  expect(spec.input.path).toEqual(['/jobs/a/*.parquet', '/b']);
  expect(spec.name).toBe('nightly');
});

test('the key column is not put into the output a second time', () => {
  const spec = parseJobSpec(
    { ...SMALL, input: { ...SMALL.input, key: 'id' }, output: { ...SMALL.output, include: ['id', 'b'] } },
    { folder: FOLDER },
  );
  expect(spec.output.include).toEqual(['b']);
});

const JOIN = { on: ['customer'], as_of: { input: 'at', side: 'since', max_age: '30 days' } };

test('side inputs and their joins are spelled out, paths made absolute; parsed again they stay', () => {
  const input = {
    ...SMALL.input,
    side_inputs: { features: { source: 'csv', path: 'f.csv', null: '-', join: JOIN } },
  };
  const spec = parseJobSpec({ ...SMALL, input }, { folder: FOLDER });
  expect(spec.input.side_inputs).toEqual({
    features: {
      source: 'csv',
      path: [`${FOLDER}/f.csv`],
      null: ['-'],
      join: { on: { customer: 'customer' }, as_of: { ...JOIN.as_of, inclusive: true } },
    },
  });
  expect(parseJobSpec(spec, { folder: '/elsewhere' })).toEqual(spec);
});

test('the SQL of a file stands in the specification itself; where files cannot be read, its name is refused', () => {
  const raw = { ...SMALL, input: { ...SMALL.input, transform: { file: 'sql/p.sql' } } };
  const readText = (path: string) => `SELECT '${path}'`;
  expect(parseJobSpec(raw, { folder: FOLDER, readText }).input.transform).toBe(
    `SELECT '${FOLDER}/sql/p.sql'`,
  );
  expect(() => parseJobSpec(raw, { folder: FOLDER })).toThrow(/input\.transform names a file/);
});

test.each([
  [{ a: { source: 'parquet', path: 'x' } }, /input\.side_inputs\.a is used by nothing/],
  [
    { A: { source: 'parquet', path: 'x', join: JOIN }, a: { source: 'parquet', path: 'x', join: JOIN } },
    /letter case/,
  ],
  [{ input: { source: 'parquet', path: 'x', join: JOIN } }, /side_inputs/],
  [{ 'a b': { source: 'parquet', path: 'x', join: JOIN } }, /side_inputs/],
  [
    { a: { source: 'parquet', path: 'x', delimiter: ';', join: JOIN } },
    /side_inputs\.a\.delimiter is for source: csv/,
  ],
  [{ a: { source: 'parquet', path: 's3://x/y', join: JOIN } }, /side_inputs\.a\.path is a URL/],
  [{ a: { source: 'parquet', path: 'x', joyn: JOIN } }, /joyn/],
  [
    { a: { source: 'parquet', path: 'x', join: { ...JOIN, as_of: { input: 'at' } } } },
    /as_of\.side is missing/,
  ],
  [
    {
      a: {
        source: 'parquet',
        path: 'x',
        join: { on: 'k', as_of: { input: 'a', side: 'b', max_age: 'a month' } },
      },
    },
    /max_age must be a duration/,
  ],
])('side inputs that cannot be meant: %j', (sides, message) => {
  const raw = { ...SMALL, input: { ...SMALL.input, side_inputs: sides } };
  expect(() => parseJobSpec(raw, { folder: FOLDER })).toThrow(message);
});

test.each([
  [0, { count: 0 }],
  [12, { count: 12 }],
  ['0.5%', { share: 0.005 }],
  ['100 %', { share: 1 }],
  [{ share: 0.25 }, { share: 0.25 }],
])('error_budget %j', (given, meant) => {
  expect(
    parseJobSpec({ ...SMALL, config: { error_budget: given } }, { folder: FOLDER }).config.error_budget,
  ).toEqual(meant);
});

const BAD: readonly (readonly [
  section: 'top' | 'input' | 'output' | 'config',
  line: string,
  code: string,
  field: string,
  message: RegExp,
])[] = [
  ['top', 'modell_id: x', 'SPEC_UNKNOWN_KEY', 'modell_id', /did you mean model_id\?/],
  ['top', 'batch_size: 3', 'SPEC_UNKNOWN_KEY', 'batch_size', /did you mean config\.batch_size\?/],
  ['top', 'colour: red', 'SPEC_UNKNOWN_KEY', 'colour', /the keys here are name, model_id/],
  ['top', 'constructor: x', 'SPEC_UNKNOWN_KEY', 'constructor', /does not exist/],
  ['input', 'featrues: [a]', 'SPEC_UNKNOWN_KEY', 'input.featrues', /input\.features\?/],
  ['config', 'retries: 3', 'SPEC_UNKNOWN_KEY', 'config.retries', /config\.retry_count\?|keys here/],
  ['top', 'schedule: {cron: "0 2 * * *"}', 'SPEC_NOT_BUILT', 'schedule', /not support it yet/],
  ['top', 'compute: {kind: ray}', 'SPEC_NOT_BUILT', 'compute', /not support it yet/],
  [
    'input',
    'query: SELECT 1',
    'SPEC_INVALID',
    'input.query',
    /is for source: sql, and the source is parquet/,
  ],
  ['input', 'unfold: { v: [a] }', 'SPEC_INVALID', 'input.unfold', /is for source: sql or table/],
  ['config', 'batch_size: auto', 'SPEC_NOT_BUILT', 'config.batch_size', /auto/],
  ['output', 'mode: upsert', 'SPEC_NOT_BUILT', 'output.mode', /upsert/],
  ['input', 'path: s3://bucket/x', 'SPEC_NOT_BUILT', 'input.path', /s3:\/\//],
  ['output', `path: "out/$\{{ scheduled_at }}"`, 'SPEC_NOT_BUILT', 'output.path', /parameter/],
  ['input', 'path: [a, ~/b]', 'SPEC_INVALID', 'input.path[1]', /~/],
  ['input', 'path: []', 'SPEC_INVALID', 'input.path', /an empty list/],
  ['input', 'path: ""', 'SPEC_INVALID', 'input.path', /a path or a list/],
  ['input', 'path: "a\\0b"', 'SPEC_INVALID', 'input.path', /a path or a list/],
  ['output', 'path: out/*.parquet', 'SPEC_INVALID', 'output.path', /not a pattern/],
  ['output', 'path: /', 'SPEC_INVALID', 'output.path', /root/],
  ['input', 'key:', 'SPEC_INVALID', 'input.key', /not empty/],
  ['input', 'key: [a, b]', 'SPEC_INVALID', 'input.key', /not a list/],
  ['input', 'unique_key: true', 'SPEC_INVALID', 'input.unique_key', /no input\.key/],
  ['input', 'unique_key: yes', 'SPEC_INVALID', 'input.unique_key', /true or false, not "yes"/],
  ['input', 'features: tenure', 'SPEC_INVALID', 'input.features', /a list of names/],
  ['input', 'features: []', 'SPEC_INVALID', 'input.features', /an empty list/],
  ['input', 'features: [a, 3]', 'SPEC_INVALID', 'input.features[1]', /name of a column, not 3/],
  ['input', 'features: [a, b, a]', 'SPEC_INVALID', 'input.features[2]', /twice/],
  ['input', 'features: {}', 'SPEC_INVALID', 'input.features', /an empty mapping/],
  ['input', 'features: { x: [a, 3] }', 'SPEC_INVALID', 'input.features.x[1]', /name of a column, not 3/],
  ['input', 'features: { x: [a, a] }', 'SPEC_INVALID', 'input.features.x[1]', /twice/],
  ['input', 'features: { x: [] }', 'SPEC_INVALID', 'input.features.x', /an empty list/],
  ['input', 'limit: 0', 'SPEC_INVALID', 'input.limit', /at least 1, not 0/],
  ['input', 'limit: 9007199254740993', 'SPEC_INVALID', 'input.limit', /whole number/],
  ['input', 'on_null: zero', 'SPEC_INVALID', 'input.on_null', /`reject`, `nan` or a number/],
  ['input', 'on_null: .inf', 'SPEC_INVALID', 'input.on_null', /Infinity/],
  ['input', 'where: ""', 'SPEC_INVALID', 'input.where', /condition/],
  ['input', `where: ${'x'.repeat(10_001)}`, 'SPEC_INVALID', 'input.where', /10000/],
  [
    'output',
    'mode: replace',
    'SPEC_INVALID',
    'output.mode',
    /`error`, `overwrite` or `append`, not "replace"/,
  ],
  ['output', 'columns: {}', 'SPEC_INVALID', 'output.columns', /empty mapping/],
  ['output', 'columns: {p: 3}', 'SPEC_INVALID', 'output.columns.p', /not 3/],
  ['output', 'columns: {p: x, q: X}', 'COLUMN_AMBIGUOUS', 'output.columns.q', /second column X/],
  ['output', 'include: [source_row]', 'COLUMN_AMBIGUOUS', 'output.include[0]', /source_row/],
  ['config', 'batch_size: 0', 'SPEC_INVALID', 'config.batch_size', /from 1 to 1000000, not 0/],
  ['config', 'batch_size: -1', 'SPEC_INVALID', 'config.batch_size', /not -1/],
  ['config', 'batch_size: 1.5', 'SPEC_INVALID', 'config.batch_size', /not 1\.5/],
  ['config', 'batch_size: .nan', 'SPEC_INVALID', 'config.batch_size', /NaN/],
  ['config', 'batch_size: "1000"', 'SPEC_INVALID', 'config.batch_size', /not "1000"/],
  ['config', 'parallelism: 1e9', 'SPEC_INVALID', 'config.parallelism', /1000000000/],
  ['config', 'max_memory_gb: 0', 'SPEC_INVALID', 'config.max_memory_gb', /0\.25/],
  ['config', 'timeout_minutes: 0', 'SPEC_INVALID', 'config.timeout_minutes', /above 0/],
  ['config', 'error_budget: -1', 'SPEC_INVALID', 'config.error_budget', /percentage/],
  ['config', 'error_budget: 101%', 'SPEC_INVALID', 'config.error_budget', /percentage/],
  ['config', 'error_budget: 0.5', 'SPEC_INVALID', 'config.error_budget', /percentage/],
  ['top', 'config: 3', 'SPEC_INVALID', 'config', /a mapping/],
  ['top', 'tags: {version: 1.10}', 'SPEC_INVALID', 'tags.version', /quotes/],
  ['top', 'name: "a\\nb"', 'SPEC_INVALID', 'name', /text/],
  ['top', 'owner: ""', 'SPEC_INVALID', 'owner', /text/],
  ['top', 'provenance: [1]', 'SPEC_INVALID', 'provenance', /a mapping/],
];

test.each(BAD)('in %s: %s is %s', (section, line, code, field, message) => {
  const text = fileWith(section, line);
  const failure = refusal(() => parseJobFile(text, 'job.yaml', FOLDER));
  const at = text.split('\n').findIndex((candidate) => candidate.trim() === line) + 1;
  expect(failure.problems).toEqual([]);
  expect(failure.code).toBe(code);
  expect(failure.message).toMatch(message);
  expect(failure.place).toEqual({ file: 'job.yaml', line: at, field });
  expect(failure.message.startsWith(`job.yaml:${at}: ${field} `)).toBe(true);
  expect(failure.message.length).toBeLessThan(600);
});

test.each(['model.pkl', 'folder/model.txt', 'm.tar.gz'])(
  'a model that is no ONNX file (%s) is told apart from a missing one',
  (model_id) => {
    const failure = refusal(() => parseJobSpec({ ...SMALL, model_id }, { folder: FOLDER }));
    expect([failure.code, failure.place.field]).toEqual(['SPEC_NOT_BUILT', 'model_id']);
  },
);

test.each([
  ['churn', 'churn'],
  ['churn@champion', 'churn'],
  ['churn-1.5@3', 'churn-1.5'],
])('the reference %s to a model of the registry is kept as it is, and names the job %s', (model_id, name) => {
  expect(parseJobSpec({ ...SMALL, model_id }, { folder: FOLDER })).toMatchObject({ model_id, name });
});

test.each(['churn@', '@3', 'churn@0', 'churn@a@b', 'two words', 'häß', '-x', 'x'.repeat(101), 'churn@a.b@'])(
  'the name %j is said to be none',
  (model_id) => {
    const failure = refusal(() => parseJobSpec({ ...SMALL, model_id }, { folder: FOLDER }));
    expect([failure.code, failure.place.field]).toEqual(['SPEC_INVALID', 'model_id']);
    expect(failure.next).not.toBe('');
  },
);

test.each([null, 3, 'text', [], undefined])('something that is no mapping (%j) is said to be none', (raw) => {
  expect(refusal(() => parseJobSpec(raw, { folder: FOLDER })).message).toMatch(/must be a mapping/);
});

test('what is missing is told all at once', () => {
  const { problems } = refusal(() => parseJobFile('input: {source: parquet}\n', 'job.yaml', FOLDER));
  expect(problems.map((problem) => problem.place.field).toSorted()).toEqual([
    'input.path',
    'model_id',
    'output',
  ]);
});

test('unknown keys, wrong values and planned keys are told at once, in order of lines', () => {
  const text =
    'nam: x\nmodel_id: m.onnx\ninput:\n  source: kafka\n  path: 3\noutput:\n  destination: parquet\n  path: out\nschedule: {}\n';
  const { problems } = refusal(() => parseJobFile(text, 'job.yaml', FOLDER));
  expect(problems.map(({ code, place }) => [code, place.line])).toEqual([
    ['SPEC_UNKNOWN_KEY', 1],
    ['SPEC_NOT_BUILT', 4],
    ['SPEC_INVALID', 5],
    ['SPEC_NOT_BUILT', 9],
  ]);
});

test('columns outside of input.columns may not be used', () => {
  const raw = {
    ...SMALL,
    input: { ...SMALL.input, key: 'id', columns: ['ID', 'a'], features: ['a', 'b'] },
    output: { ...SMALL.output, include: ['c'] },
  };
  const { problems } = refusal(() => parseJobSpec(raw, { folder: FOLDER }));
  expect(problems.map((problem) => problem.place.field)).toEqual(['input.features[1]', 'output.include[0]']);
});

test('values nested 200,000 deep, from an API, are refused without a crash', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 200_000; i += 1) deep = { a: deep };
  expect(refusal(() => parseJobSpec({ ...SMALL, provenance: deep }, { folder: FOLDER })).message).toMatch(
    /levels deep/,
  );
});

test.each([
  ['200,000 values', { list: Array(200_000).fill(0) }, /values/],
  ['two million characters', { text: 'x'.repeat(2_000_000) }, /characters/],
  ['names of two million characters', { ['x'.repeat(2_000_000)]: 1 }, /characters/],
])('%s, from an API, are refused before anything looks closer', (_, provenance, message) => {
  expect(refusal(() => parseJobSpec({ ...SMALL, provenance }, { folder: FOLDER })).message).toMatch(message);
});

test('a __proto__ key from JSON is refused and changes nothing', () => {
  const raw = JSON.parse('{"model_id": "m.onnx", "tags": {"__proto__": {"polluted": "yes"}}}');
  expect(refusal(() => parseJobSpec(raw, { folder: FOLDER })).message).toMatch(/__proto__/);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('hundreds of problems make a message of bearable length', () => {
  const raw = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`unknown_key_${i}`, 1]));
  const failure = refusal(() => parseJobSpec({ ...SMALL, ...raw }, { folder: FOLDER }));
  expect(failure.problems.length).toBe(20);
  expect(failure.message).toMatch(/and 4980 more/);
});

const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcXYZ 0_-."\'äß漢') });
const optional = (record: Record<string, fc.Arbitrary<unknown>>, required: string[]) =>
  fc.record(record, { requiredKeys: required });
const rawSpec = optional(
  {
    name,
    model_id: fc.oneof(
      name.map((text) => `x${text}.onnx`),
      fc.constantFrom('churn', 'churn@3', 'churn@champion', 'Churn-v1.5_x@2'),
    ),
    input: optional(
      {
        source: fc.constant('parquet'),
        path: fc.oneof(name, fc.array(name, { minLength: 1, maxLength: 3 })),
        key: fc.constant('the key'),
        where: name,
        features: fc.uniqueArray(name, { minLength: 1, maxLength: 5 }),
        limit: fc.integer({ min: 1 }),
        on_null: fc.oneof(
          fc.constantFrom('reject', 'nan'),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        ),
      },
      ['source', 'path'],
    ),
    output: optional(
      {
        destination: fc.constant('parquet'),
        path: fc.constant('out'),
        mode: fc.constantFrom('error', 'overwrite', 'append'),
        include: fc.constantFrom(['a'], ['the key', 'b'], []),
        columns: fc.constant({ probability: 'p_churn', 'probability[yes]': 'p_yes' }),
        allow_non_finite: fc.boolean(),
      },
      ['destination', 'path'],
    ),
    config: optional(
      {
        batch_size: fc.integer({ min: 1, max: 1_000_000 }),
        error_budget: fc.oneof(
          fc.nat(),
          fc.integer({ min: 0, max: 9_999 }).map((n) => `${n / 100}%`),
        ),
      },
      [],
    ),
    tags: fc.constant({ team: 'growth' }),
    provenance: fc.constant({ a: [1, { b: null }] }),
  },
  ['model_id', 'input', 'output'],
);

test('a resolved specification means the same wherever it is parsed again', () => {
  fc.assert(
    fc.property(rawSpec, (raw) => {
      const spec = parseJobSpec(raw, { folder: FOLDER });
      expect(parseJobFile(JSON.stringify(spec), 'spec.json', '/elsewhere')).toEqual(spec);
    }),
  );
});

test('no input whatever brings the parser down', () => {
  const keys = fc.constantFrom(
    'model_id',
    'input',
    'output',
    'config',
    'path',
    'tags',
    'features',
    'error_budget',
    'x',
    'toString',
  );
  const leaf = fc.anything({ withBigInt: true, withDate: true, withMap: true, maxDepth: 2 });
  const anything = fc.oneof(leaf, fc.dictionary(keys, fc.oneof(leaf, fc.dictionary(keys, leaf))));
  fc.assert(
    fc.property(fc.dictionary(keys, anything), (raw) => {
      expect(refusal(() => parseJobSpec(raw, { folder: FOLDER })).code).toMatch(/^SPEC_/);
    }),
    { numRuns: 500 },
  );
});

test('features take three forms, and a resolved one resolves to itself', () => {
  for (const [written, resolved] of [
    ['auto', 'auto'],
    ['[b, a]', ['b', 'a']],
    ['{ wide: [a, b], deep: c }', { wide: ['a', 'b'], deep: ['c'] }],
  ] as const) {
    const spec = parseJobFile(fileWith('input', `features: ${written}`), 'job.yaml', FOLDER);
    expect(spec.input.features).toEqual(resolved);
    expect(parseJobSpec(spec, { folder: '/elsewhere' })).toEqual(spec);
  }
});
