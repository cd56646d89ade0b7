import { expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { FIELD_DEFAULTS } from './field-defaults.ts';
import { type FlagValues, JOB_FLAGS } from './flags.ts';
import { schemaFields } from './schema-fields.ts';
import { type JobFile, jobSpecFromFlags } from './spec-from-flags.ts';

const NEEDED: FlagValues = { '--model': 'm.onnx', '--input': ['in/*.parquet', '/b'], '--output': 'out/' };
const FILE: JobFile = {
  name: 'jobs/job.yaml',
  folder: '/srv/jobs',
  text: 'model_id: m.onnx\ninput:\n  source: parquet\n  path: in\noutput: {destination: parquet, path: out}\ntags: {team: growth}\nconfig: {batch_size: 7, retry_count: 1}\n',
};

function refusal(values: FlagValues, file?: JobFile): Failure {
  try {
    jobSpecFromFlags(values, '/srv', file);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test('flags alone make a specification, with paths from the working folder', () => {
  const values = {
    ...NEEDED,
    '--key': 'id',
    '--features': 'a, b,c',
    '--include': ['id', 'x,y'],
    '--where': 'a > 1, 2',
    '--limit': '10',
    '--on-null': '-1.5',
    '--columns': 'probability[yes]=p_yes,label=label',
    '--tag': ['team=growth', 'formula=a=b'],
    '--error-budget': '0.5%',
    '--allow-non-finite': true,
  };
  expect(jobSpecFromFlags(values, '/srv')).toMatchObject({
    model_id: '/srv/m.onnx',
    input: {
      path: ['/srv/in/*.parquet', '/b'],
      key: 'id',
      features: ['a', 'b', 'c'],
      where: 'a > 1, 2',
      limit: 10,
      on_null: -1.5,
    },
    output: {
      path: '/srv/out',
      include: ['x', 'y'],
      columns: { 'probability[yes]': 'p_yes', label: 'label' },
      allow_non_finite: true,
    },
    tags: { team: 'growth', formula: 'a=b' },
    config: { error_budget: { share: 0.005 } },
  });
});

test('a column with a comma in its name can be named', () => {
  expect(jobSpecFromFlags({ ...NEEDED, '--features': String.raw`a\,b,c` }, '/srv').input.features).toEqual([
    'a,b',
    'c',
  ]);
});

test('flags override fields of a file, and each path starts at its own folder', () => {
  const spec = jobSpecFromFlags(
    { '--output': 'elsewhere', '--batch-size': '9', '--tag': 'run=2' },
    '/srv',
    FILE,
  );
  expect(spec).toMatchObject({
    name: 'job',
    model_id: '/srv/jobs/m.onnx',
    output: { path: '/srv/elsewhere' },
    config: { batch_size: 9, retry_count: 1 },
    tags: { team: 'growth', run: '2' },
  });
});

test('an error names the flag that is to blame, not a line of the file', () => {
  const { message, place } = refusal({ '--batch-size': 'many' }, FILE);
  expect(message).toBe(
    '--batch-size (config.batch_size) must be a whole number from 1 to 1000000, not "many".',
  );
  expect(place).toEqual({ field: 'config.batch_size' });
});

test('an error in the file still names its line', () => {
  const { message } = refusal({ '--batch-size': '3' }, { ...FILE, text: `${FILE.text}ownr: x\n` });
  expect(message).toMatch(/^jobs\/job\.yaml:8: ownr does not exist; did you mean owner\?$/);
});

test('without a file, what is missing is the flag', () => {
  const { problems } = refusal({ '--key': 'id' });
  expect(problems.map((problem) => problem.message.split(' ')[0])).toEqual([
    '--model',
    '--input',
    '--output',
  ]);
});

test('a URL, a number and a word in flags get the same answers as in a file', () => {
  expect(refusal({ ...NEEDED, '--output': 's3://bucket/x' }).code).toBe('SPEC_NOT_BUILT');
  expect(refusal({ ...NEEDED, '--batch-size': 'auto' }).code).toBe('SPEC_NOT_BUILT');
  expect(refusal({ ...NEEDED, '--limit': '1e3x' }).code).toBe('SPEC_INVALID');
  expect(refusal({ ...NEEDED, '--features': 'a,,b' }).code).toBe('SPEC_INVALID');
});

test.each(['team', '=x', ''])('a pair without name or = (%j) is a usage error', (pair) => {
  expect(refusal({ ...NEEDED, '--tag': pair })).toMatchObject({ code: 'USAGE', place: { field: '--tag' } });
});

test('a pair named __proto__ is refused and changes nothing', () => {
  expect(refusal({ ...NEEDED, '--tag': '__proto__=x' }).message).toMatch(/__proto__/);
});

test('a file that is no mapping is said to be none', () => {
  expect(refusal({ '--batch-size': '3' }, { ...FILE, text: '[1]' }).message).toMatch(/mapping/);
});

test('help shows the defaults that the schema has', () => {
  const fields = new Set(JOB_FLAGS.map(({ field }) => field));
  const shown = schemaFields().flatMap((field) => {
    const name = field.path.join('.');
    const worthShowing = typeof field.default === 'number' || typeof field.default === 'string';
    return fields.has(name) && worthShowing ? [[name, String(field.default)] as const] : [];
  });
  expect(FIELD_DEFAULTS).toEqual(Object.fromEntries(shown));
});
