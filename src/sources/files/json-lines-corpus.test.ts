import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mutate, seeded } from '../../../test/support/mutate.ts';
import { Failure } from '../../core/errors.ts';
import { JsonLinesScanner } from '../../data/text/json-lines-scanner.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import { CollectRecords } from './collect-records.ts';
import { type PinBench, pinBench } from './pin-fixture.ts';

let bench: PinBench;
const PROTOTYPE = Reflect.ownKeys(Object.prototype).join();
beforeAll(async () => {
  bench = await pinBench();
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(() => expect(Reflect.ownKeys(Object.prototype).join()).toBe(PROTOTYPE));

/** As `read` of the CSV corpus. */
async function read(content: string | Buffer, input: Partial<InputSpec> = {}) {
  rmSync(bench.folder, { recursive: true, force: true });
  mkdirSync(bench.folder, { recursive: true });
  writeFileSync(join(bench.folder, 'f.jsonl'), content);
  try {
    const { snapshot, rows } = await bench.pin({ source: 'jsonl', ...input }, { asText: true });
    const names = snapshot.columns.map(({ name }) => name);
    return {
      columns: snapshot.columns.map(({ name, type }) => `${name} ${type}`),
      rows: rows.map((row) =>
        (row._batchwright_line ?? null) === null
          ? names.map((name) => row[name] ?? null)
          : `${row._batchwright_line}: ${row._batchwright_problem}`,
      ),
    };
  } catch (error) {
    if (error instanceof Failure) return `${error.code} ${error.message.replaceAll(bench.folder, '')}`;
    throw error;
  }
}

/** A second line of other columns' values makes DuckDB read a plain copy: both ways must give the same. */
describe('how JSON Lines are read', () => {
  test.each<[hazard: string, lines: readonly string[], columns: string, rows: unknown]>([
    [
      'whole numbers to the edges of 64 bits',
      ['{"a":9223372036854775807}', '{"a":-9223372036854775808}'],
      'a BIGINT',
      [['9223372036854775807'], ['-9223372036854775808']],
    ],
    [
      '2^53 and one more',
      ['{"a":9007199254740993}', '{"a":9007199254740991}'],
      'a BIGINT',
      [['9007199254740993'], ['9007199254740991']],
    ],
    [
      'more than 64 bits',
      ['{"a":18446744073709551616}', '{"a":1}'],
      'a VARCHAR',
      [['18446744073709551616'], ['1']],
    ],
    [
      '2^53 + 1 among fractions',
      ['{"a":9007199254740993}', '{"a":0.5}'],
      'a VARCHAR',
      [['9007199254740993'], ['0.5']],
    ],
    ['beyond a double', ['{"a":1e400}', '{"a":1.5}'], 'a VARCHAR', [['1e400'], ['1.5']]],
    ['fractions and exponents', ['{"a":1.5E+2}', '{"a":-0}'], 'a DOUBLE', [['150.0'], ['-0.0']]],
    [
      'texts with escapes',
      ['{"a":"\\u00e9\\n\\"\\\\\\/\\ud83d\\ude00"}', '{"a":""}'],
      'a VARCHAR',
      [['é\n"\\/😀'], ['']],
    ],
    ['texts and numbers', ['{"a":"1.50"}', '{"a":1.50}'], 'a VARCHAR', [['1.50'], ['1.50']]],
    ['truth values', ['{"a":true}', '{"a":null}'], 'a BOOLEAN', [['true'], [null]]],
    ['truth values and numbers', ['{"a":true}', '{"a":1}'], 'a VARCHAR', [['true'], ['1']]],
    [
      'missing keys, new keys, other order',
      ['{"a":1,"b":2}', '{"c":3,"b":4}'],
      'a BIGINT,b BIGINT,c BIGINT',
      [
        ['1', '2', null],
        [null, '4', '3'],
      ],
    ],
    [
      'names that mean something in JavaScript',
      ['{"__proto__":1,"constructor":2}', '{"toString":3}'],
      '__proto__ BIGINT,constructor BIGINT,toString BIGINT',
      [
        ['1', '2', null],
        [null, null, '3'],
      ],
    ],
    ['lists of numbers', ['{"a":[1,2.5,null]}', '{"a":[]}'], 'a DOUBLE[]', [['[1.0, 2.5, NULL]'], ['[]']]],
    [
      'lists of whole numbers',
      ['{"a":[9007199254740993]}', '{"a":null}'],
      'a BIGINT[]',
      [['[9007199254740993]'], [null]],
    ],
    [
      'lists of texts',
      ['{"a":["x","y\\n\\"z"]}', '{"a":[""]}'],
      'a VARCHAR[]',
      [["[x, 'y\n\"z']"], ["['']"]],
    ],
    ['lists of truth values', ['{"a":[true,false]}', '{"a":[]}'], 'a BOOLEAN[]', [['[true, false]'], ['[]']]],
    ['lists of several kinds', ['{"a":[1,"x"]}', '{"a":[1, 2]}'], 'a VARCHAR', [['[1,"x"]'], ['[1, 2]']]],
    [
      'lists of numbers that no double holds',
      ['{"a":[1e400]}', '{"a":[1]}'],
      'a VARCHAR',
      [['[1e400]'], ['[1]']],
    ],
    [
      'nested values as they are written',
      ['{"a":{"k" : [1.50, {"z":"\\u00e9"}]}}', '{"a":[[1],[2]]}'],
      'a VARCHAR',
      [['{"k" : [1.50, {"z":"\\u00e9"}]}'], ['[[1],[2]]']],
    ],
    ['objects without keys', ['{}', '{"a":1}'], 'a BIGINT', [[null], ['1']]],
    [
      'space wherever it may be',
      [' { "a" : 1 , "b" : [ 1 , 2 ] } ', '\t{"a":2}\r'],
      'a BIGINT,b BIGINT[]',
      [
        ['1', '[1, 2]'],
        ['2', null],
      ],
    ],
    ['escapes in keys', ['{"\\u0061":1}', '{"a":2}'], 'a BIGINT', [['1'], ['2']]],
  ])('%s', async (_, lines, columns, rows) => {
    const direct = await read(`${lines.join('\n')}\n`);
    expect(direct).toEqual({ columns: columns.split(','), rows });
    const copied = await read(`\ufeff\n${lines.join('\n\n')}`);
    expect(copied).toEqual(direct);
  });

  test.each<[line: string | Buffer, problem: string]>([
    ['nope', 'lacks an object ({) at byte 1'],
    ['[1]', 'lacks an object ({) at byte 1'],
    ['5', 'lacks an object ({) at byte 1'],
    ['{"a":1', 'lacks a comma or } at byte 7'],
    ['{"a":1}x', 'has more behind the object'],
    ['{"a":1}{"a":2}', 'has more behind the object'],
    ['{"a":1,}', 'lacks a text at byte 8'],
    ['{"a" 1}', 'lacks a colon at byte 6'],
    ['{a:1}', 'lacks a text at byte 2'],
    [`{'a':1}`, 'lacks a text at byte 2'],
    ['{"a":01}', 'has "01", which is no value'],
    ['{"a":+1}', 'has "+1", which is no value'],
    ['{"a":.5}', 'has ".5", which is no value'],
    ['{"a":5.}', 'has "5.", which is no value'],
    ['{"a":NaN}', 'has "NaN", which is no value'],
    ['{"a":-Infinity}', 'has "-Infinity", which is no value'],
    ['{"a":0x1}', 'has "0x1", which is no value'],
    ['{"a":True}', 'has "True", which is no value'],
    ['{"a":}', 'lacks a value at byte 6'],
    ['{"a":[1,]}', 'lacks a value at byte 9'],
    ['{"a":[1 2]}', 'lacks a comma or ] at byte 9'],
    ['{"a":[1}', 'lacks a comma or ] at byte 8'],
    ['{"a":{"b":[}}}', 'lacks a value at byte 12'],
    ['{"a":{"b":1]}', 'lacks a comma or } at byte 12'],
    ['{"a":"x}', 'has a text that is not closed'],
    ['{"a":"\\x"}', 'has an unknown escape at byte 8'],
    ['{"a":"\\u12"}', 'has an unknown escape at byte 9'],
    ['{"a":"\t"}', 'has a control character in a text, at byte 7'],
    ['{"a":"\\ud800"}', 'has half a character (a lone surrogate) at byte 8'],
    ['{"a":"\\udc00\\ud800"}', 'has half a character (a lone surrogate) at byte 8'],
    ['{"a":"\\u0000"}', 'has a NUL character (\\u0000) at byte 8'],
    ['{"a":"\0"}', 'has a NUL character'],
    [Buffer.from('{"a":"\xe9"}', 'latin1'), 'is not UTF-8'],
    ['{"a":1,"b":2,"a":3}', 'has the key "a" twice'],
    ['{"n":1,"n":2}', 'has the key "n" twice'],
    ['{"":1}', 'has an empty key'],
    [`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'is nested more than 512 levels deep'],
    [`{"a":${'{"k":'.repeat(200_000)}1${'}'.repeat(200_000)}}`, 'is nested more than 512 levels deep'],
  ])('malformed, and the lines around it are read: %#', async (line, problem) => {
    const content = Buffer.concat([Buffer.from('{"a":1}\n'), Buffer.from(line), Buffer.from('\n{"a":3}\n')]);
    expect(await read(content)).toEqual({ columns: ['a BIGINT'], rows: [['1'], `2: ${problem}`, ['3']] });
  });

  test.each<[hazard: string, content: string, refusal: RegExp]>([
    ['a JSON array', '[{"a":1},\n{"a":2}]\n', /^SOURCE_CORRUPT \/f\.jsonl, line 1 begins a JSON array/],
    [
      'lines that end with CR alone',
      '{"a":1}\r{"a":2}\r',
      /^SOURCE_CORRUPT \/f\.jsonl, line 1 has CR in the middle of a line/,
    ],
    ['keys that differ in letter case', '{"a":1}\n{"A":2}\n', /^COLUMN_AMBIGUOUS \/f\.jsonl, line 2: .* A /],
    ['a key of ours', '{"_batchwright_line":1}\n', /^COLUMN_AMBIGUOUS .*_batchwright_line is taken/],
    ['an empty file', '', /^SOURCE_CORRUPT The input has no record/],
  ])('%s is refused', async (_, content, refusal) => {
    expect(await read(content)).toMatch(refusal);
  });

  test('declared types: what does not fit is malformed, what is declared and missing is null', async () => {
    const types = { when: 'DATE', x: 'DOUBLE', v: 'BIGINT[]', absent: 'INTEGER', t: 'VARCHAR' };
    const lines = [
      '{"when":"2025-02-28","x":"1.5","v":[1,"2",null],"t":1.50}',
      '{"when":"2025-02-30","x":1}',
      '{"x":true}',
      '{"v":[1.5]}',
      '{"v":3}',
      '{"t":{"k":1}}',
    ];
    expect(await read(lines.join('\n'), { types })).toEqual({
      columns: ['when DATE', 'x DOUBLE', 'v BIGINT[]', 't VARCHAR', 'absent INTEGER'],
      rows: [
        ['2025-02-28', '1.5', '[1, 2, NULL]', '1.50', null],
        '2: has "2025-02-30" in when, which is no DATE',
        '3: has true in x, which is no DOUBLE',
        '4: has [1.5] in v, which is no BIGINT[]',
        '5: has 3 in v, which is no BIGINT[]',
        [null, null, null, '{"k":1}', null],
      ],
    });
  });

  test('a line of 100 MB is malformed, and the next is read', async () => {
    const content = Buffer.concat([
      Buffer.from('{"a":1}\n{"a":"'),
      Buffer.alloc(100_000_000, 'x'),
      Buffer.from('"}\n{"a":3}\n'),
    ]);
    expect(await read(content)).toEqual({
      columns: ['a BIGINT'],
      rows: [['1'], '2: is longer than 32 MiB', ['3']],
    });
  }, 120_000);
});

describe("JSON Lines by our scanner and by JavaScript's parser", () => {
  const SEEDS = [
    '{"id":1,"x":-1.5e3,"s":"a\\u00e9b","l":[1,2,null],"o":{"k":[true,{"z":null}]}}',
    '{"id":2,"x":0,"s":"","l":[],"o":{}}',
    '{ "id" : 12345678901234567890 , "s" : "\\"q\\\\" , "b" : false }',
    '{"s":"\\ud83d\\ude00☃","n":[[1],["a"]]}',
  ];
  const ALPHABET = Buffer.from('{}[]",:\\u0019-+.eE tfn\n\r\0\xff\xc3', 'latin1');
  /** What we refuse although JSON allows it. */
  const STRICTER =
    /^(has the key .* twice|has an empty key|has a NUL|has half a character|is nested|lacks an object)/;

  test('20,000 mutated lines: the same values, or malformed for both, or for one of our reasons', () => {
    const random = seeded(7);
    const outcomes = { read: 0, refused: 0, stricter: 0 };
    for (let at = 0; at < 20_000; at += 1) {
      const seed = Buffer.from(SEEDS[at % SEEDS.length] as string);
      const line = mutate(seed, ALPHABET, random, 2).filter((byte) => byte !== 10 && byte !== 13);
      const found = new CollectRecords();
      const scanner = new JsonLinesScanner('f', new Map(), found);
      try {
        const piece = [4_096, 1, 5][at % 3] as number;
        for (let from = 0; from < line.length; from += piece)
          scanner.push(Buffer.from(line.subarray(from, from + piece)), false);
        scanner.push(Buffer.alloc(0), true);
      } catch (error) {
        // Names that differ in letter case, a JSON array.
        if (error instanceof Failure) continue;
        throw error;
      }
      const text = Buffer.from(line).toString();
      const parsed = parse(text);
      const names = scanner.scanned().columns.map(({ name }) => name);
      const [record] = found.records;
      const [problem] = found.malformedRecords;
      if (record !== undefined) {
        if (parsed === undefined) expect.fail(`read ${text}, which is no JSON`);
        expect(names, text).toEqual(
          Object.keys(parsed).length === names.length ? names : Object.keys(parsed),
        );
        for (const [column, name] of names.entries()) expectSame(record[column] ?? null, parsed[name], text);
        outcomes.read += 1;
      } else if (problem !== undefined) {
        const isStricter = STRICTER.test(problem.problem);
        if (parsed !== undefined && !isStricter && !text.includes('\ufffd'))
          expect.fail(`refused ${text}: ${problem.problem}`);
        if (parsed === undefined) outcomes.refused += 1;
        else outcomes.stricter += 1;
      }
    }
    expect(outcomes.read).toBeGreaterThan(1_500);
    expect(outcomes.refused).toBeGreaterThan(8_000);
  });

  function parse(text: string): Record<string, unknown> | undefined {
    try {
      const value: unknown = JSON.parse(text);
      return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Record<string, unknown>)
        : undefined;
    } catch {
      return undefined;
    }
  }

  function expectSame(ours: string | null, theirs: unknown, text: string): void {
    if (typeof theirs === 'string') expect(ours, text).toBe(theirs);
    else if (theirs === null) expect(ours, text).toBeNull();
    else expect(JSON.parse(ours ?? ''), text).toEqual(theirs);
  }
});
