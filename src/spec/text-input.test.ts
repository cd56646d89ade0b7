import { describe, expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { jobIdentity } from './identity.ts';
import { parseJobFile, parseJobSpec } from './job-spec.ts';
import { jobSpecFromFlags } from './spec-from-flags.ts';

const raw = (input: object) => ({
  model_id: 'm.onnx',
  input: { source: 'csv', path: 'in.csv', ...input },
  output: { destination: 'parquet', path: 'out' },
});
const parse = (input: object) => parseJobSpec(raw(input), { folder: '/data' }).input;

function problems(input: object): string[] {
  try {
    parse(input);
  } catch (error) {
    if (error instanceof Failure) return [error, ...error.problems].map(({ message }) => message);
    throw error;
  }
  throw new Error('not refused');
}

describe('what is said about CSV and JSON Lines', () => {
  test('types are known by any name and letter case, and parsing what was resolved gives the same', () => {
    const input = parse({
      delimiter: '\\t',
      quote: '',
      header: false,
      null: 'NA',
      decimal: ',',
      types: { a: 'double', b: 'Decimal( 18 , 3 )', c: 'timestamptz', d: 'string', e: 'INT' },
    });
    expect(input).toMatchObject({
      delimiter: '\t',
      quote: '',
      header: false,
      null: ['NA'],
      types: { a: 'DOUBLE', b: 'DECIMAL(18,3)', c: 'TIMESTAMP WITH TIME ZONE', d: 'VARCHAR', e: 'INTEGER' },
    });
    const resolved = parseJobSpec(raw(input), { folder: '/elsewhere' });
    expect(resolved.input).toEqual({ ...input, path: ['/data/in.csv'] });
  });

  test('one spelling or another, it is the same job; another type, another one', () => {
    const identity = (input: object) => jobIdentity('t', parseJobSpec(raw(input), { folder: '/data' }));
    expect(identity({ types: { a: 'double' }, null: 'x' })).toBe(
      identity({ types: { a: 'DOUBLE' }, null: ['x', 'x'] }),
    );
    expect(identity({ types: { a: 'double' } })).not.toBe(identity({ types: { a: 'float' } }));
  });

  test.each<[why: string, input: object, message: RegExp]>([
    [
      'of CSV, for Parquet',
      { source: 'parquet', delimiter: ';' },
      /input\.delimiter is for source: csv, and the source is parquet/,
    ],
    [
      'of CSV, for JSON Lines',
      { source: 'jsonl', header: false },
      /input\.header is for source: csv, and the source is jsonl/,
    ],
    [
      'types of Parquet',
      { source: 'parquet', types: { a: 'DOUBLE' } },
      /Parquet files have types of their own/,
    ],
    [
      'a decimal comma that separates fields',
      { decimal: ',' },
      /input\.decimal is ,, which separates fields already; set input\.delimiter/,
    ],
    [
      'a quote that separates fields',
      { delimiter: '|', quote: '|' },
      /input\.quote is \|, which separates fields/,
    ],
    ['a quote that is part of numbers', { quote: '-' }, /input\.quote is -, which is part of numbers/],
    ['a delimiter of two characters', { delimiter: '||' }, /input\.delimiter must be one character/],
    ['a digit', { delimiter: '1' }, /input\.delimiter must be one character/],
    ['a point', { delimiter: '.' }, /input\.delimiter must be one character/],
    ['a line end', { delimiter: '\n' }, /input\.delimiter must be one character/],
    ['a type that there is not', { types: { a: 'MONEY' } }, /input\.types\.a must be one of BOOLEAN, /],
    ['a decimal of 39 digits', { types: { a: 'DECIMAL(39,0)' } }, /input\.types\.a must be one of/],
    [
      'one column in two letter cases',
      { types: { a: 'DOUBLE', A: 'FLOAT' } },
      /names a and A, which are one column/,
    ],
    ['lists in CSV', { types: { a: 'DOUBLE[]' } }, /declares a as DOUBLE\[\], which CSV cannot hold/],
    ['lists of dates', { source: 'jsonl', types: { a: 'DATE[]' } }, /which a list cannot hold/],
    ['a line end that stands for null', { null: 'a\nb' }, /input\.null must be a text of one line/],
  ])('%s is refused', (_, input, message) => {
    expect(problems(input).join('\n')).toMatch(message);
  });

  test('in a job file, with the line', () => {
    const text =
      'model_id: m.onnx\ninput:\n  source: csv\n  path: a.csv\n  types:\n    x: MONEY\noutput: { destination: parquet, path: out }\n';
    expect(() => parseJobFile(text, 'job.yaml', '/data')).toThrow(
      expect.objectContaining({ place: expect.objectContaining({ line: 6 }) }),
    );
  });
});

describe('flags', () => {
  const flags = (values: object) =>
    jobSpecFromFlags({ '--model': 'm.onnx', '--output': 'out', ...values }, '/w').input;

  test.each<[paths: string[], source: string]>([
    [['a.csv'], 'csv'],
    [['a.csv.gz', 'in/*.CSV', 'b.csv.zst'], 'csv'],
    [['a.jsonl', 'b.ndjson.gz'], 'jsonl'],
    [['a.parquet'], 'parquet'],
    [['folder'], 'parquet'],
    [['a.csv', 'b.jsonl'], 'parquet'],
  ])('the kind of %j is told by its name: %s', (paths, source) => {
    expect(flags({ '--input': paths }).source).toBe(source);
  });

  test('say it all', () => {
    expect(
      flags({
        '--input': ['in'],
        '--source': 'csv',
        '--delimiter': ';',
        '--quote': "'",
        '--header': 'false',
        '--null': ['NA', 'a,b'],
        '--decimal': ',',
        '--types': ['x=DOUBLE,y=DECIMAL(18\\,3)'],
      }),
    ).toMatchObject({
      source: 'csv',
      delimiter: ';',
      quote: "'",
      header: false,
      null: ['NA', 'a,b'],
      decimal: ',',
      types: { x: 'DOUBLE', y: 'DECIMAL(18,3)' },
    });
    expect(() => flags({ '--input': ['a.csv'], '--header': 'maybe' })).toThrow(/--header/);
  });
});
