import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Failure } from '../../core/errors.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import { type PinBench, pinBench } from './pin-fixture.ts';

let bench: PinBench;
beforeAll(async () => {
  bench = await pinBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

/** Columns as `name TYPE`, and rows as lists; a malformed one as `line: problem`. Or the refusal: code and message. */
async function read(content: string | Buffer, input: Partial<InputSpec> = {}) {
  rmSync(bench.folder, { recursive: true, force: true });
  mkdirSync(bench.folder, { recursive: true });
  writeFileSync(join(bench.folder, 'f.csv'), content);
  try {
    const { snapshot, rows } = await bench.pin({ source: 'csv', ...input }, { asText: true });
    const names = snapshot.columns.map(({ name }) => name);
    return {
      columns: snapshot.columns.map(({ name, type }) => `${name} ${type}`),
      rows: rows.map((row) =>
        (row._batchwright_line ?? null) === null
          ? names.map((name) => row[name])
          : `${row._batchwright_line}: ${row._batchwright_problem}`,
      ),
    };
  } catch (error) {
    if (error instanceof Failure) return `${error.code} ${error.message.replaceAll(bench.folder, '')}`;
    throw error;
  }
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('how CSV is read, or refused with its line', () => {
  test.each<[hazard: string, content: string | Buffer, input: Partial<InputSpec>, expected: unknown]>([
    ['a byte order mark', '\ufeffa,b\n1,2\n', {}, [['1', '2']]],
    [
      'CRLF',
      'a,b\r\n1,2\r\n3,4\r\n',
      {},
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'CR alone',
      'a,b\r1,2\r3,4\r',
      {},
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'mixed line ends',
      'a,b\r\n1,2\n3,4\r5,6',
      {},
      [
        ['1', '2'],
        ['3', '4'],
        ['5', '6'],
      ],
    ],
    [
      'no final line end',
      'a,b\n1,2\n3,4',
      {},
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'a line end in quotes',
      'a,b\n1,"x\ny"\n2,z\n',
      {},
      [
        ['1', 'x\ny'],
        ['2', 'z'],
      ],
    ],
    [
      'CR in quotes, in a file of LF',
      'a,b\n1,"x\ry"\n2,z\n',
      {},
      [
        ['1', 'x\ry'],
        ['2', 'z'],
      ],
    ],
    [
      'LF in quotes, in a file of CRLF',
      'a,b\r\n1,"x\ny"\r\n2,z\r\n',
      {},
      [
        ['1', 'x\ny'],
        ['2', 'z'],
      ],
    ],
    ['doubled quotes', 'a,b\n1,"x ""y"""\n', {}, [['1', 'x "y"']]],
    ['delimiters in quotes', 'a,b\n1,"x,y"\n', {}, [['1', 'x,y']]],
    [
      'a quote inside an unquoted field',
      'a,b\n1,5" disk\n2,y\n',
      {},
      ['2: has a quote inside an unquoted field', ['2', 'y']],
    ],
    [
      'text behind a closing quote',
      'a,b\n1,"x"y\n2,y\n',
      {},
      ['2: has text after a closing quote', ['2', 'y']],
    ],
    [
      'a field too few, a field too many',
      'a,b\n1\n2,y,z\n3,w\n',
      {},
      ['2: has 1 field instead of 2', '3: has 3 fields instead of 2', ['3', 'w']],
    ],
    ['NUL', 'a,b\n1,x\0y\n2,z\n', {}, ['2: has a NUL character', ['2', 'z']]],
    ['what is not UTF-8', latin1('a,b\n1,\xe9\n2,z\n'), {}, ['2: is not UTF-8', ['2', 'z']]],
    [
      'a character cut off by the end of the file',
      latin1('a,b\n1,x\n2,\xc3'),
      {},
      [['1', 'x'], '3: is not UTF-8'],
    ],
    ['an overlong encoding', latin1('a,b\n1,\xc0\xaf\n2,z\n'), {}, ['2: is not UTF-8', ['2', 'z']]],
    [
      'empty lines, with several columns',
      'a,b\n\n1,2\n\n\n3,4\n\n',
      {},
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['empty lines, with one column', 'a\n1\n\n3\n', {}, [['1'], [null], ['3']]],
    ['lines of one column, empty and in quotes', 'a\nx\n""\n\n', {}, [['x'], [''], [null]]],
    ['only a header', 'a,b\n', {}, []],
    [
      'a delimiter and a decimal comma',
      'a;b;c;d\n1,5;x;true;2025-02-28\n-,5;"y;z";false;2025-03-01\n',
      { delimiter: ';', decimal: ',' },
      [
        ['1.5', 'x', 'true', '2025-02-28'],
        ['-0.5', 'y;z', 'false', '2025-03-01'],
      ],
    ],
    [
      'a tab, and no quotes',
      'a\tb\n1\t5" disk\n2\t"\n',
      { delimiter: '\t', quote: '' },
      [
        ['1', '5" disk'],
        ['2', '"'],
      ],
    ],
    [
      'other quotes',
      "a,b\n1,'it''s'\n2,say \"x\"\n",
      { quote: "'" },
      [
        ['1', "it's"],
        ['2', 'say "x"'],
      ],
    ],
    [
      'no header',
      '1,x\n2,y\n',
      { header: false },
      [
        ['1', 'x'],
        ['2', 'y'],
      ],
    ],
    [
      'texts for null, but not in quotes',
      'a,b\nNA,NA\n2,"NA"\n3,\n',
      { null: ['NA'] },
      [
        [null, null],
        ['2', 'NA'],
        ['3', ''],
      ],
    ],
    [
      'nothing, in quotes or not, in a column of numbers',
      'a,b\n1,x\n"",""\n,\n',
      {},
      [
        ['1', 'x'],
        [null, ''],
        [null, null],
      ],
    ],
    [
      'a value that does not fit a declared type',
      'a,b\n1,x\n1.5,y\n007,z\n',
      { types: { A: 'BIGINT' } },
      [['1', 'x'], '3: has "1.5" in column a, which is no BIGINT', ['7', 'z']],
    ],
    [
      'names that mean something in JavaScript',
      '__proto__,constructor,toString\n1,2,3\n',
      {},
      [['1', '2', '3']],
    ],
    ['a text that looks like a comment', 'a,b\n#1,x\n', {}, [['#1', 'x']]],
    [
      'spaces',
      'a,b\n 1 , x \n2,y\n',
      {},
      [
        ['1', ' x '],
        ['2', 'y'],
      ],
    ],
  ])('%s', async (_, content, input, expected) => {
    expect(await read(content, input)).toMatchObject({ rows: expected });
  });

  test.each<[hazard: string, content: string | Buffer, input: Partial<InputSpec>, expected: RegExp]>([
    ['an empty file', '', {}, /^SOURCE_CORRUPT \/f\.csv is empty/],
    ['only a byte order mark', '\ufeff', {}, /^SOURCE_CORRUPT \/f\.csv is empty/],
    ['an empty file without a header', '', { header: false }, /^SOURCE_CORRUPT The input has no record/],
    [
      'a quote that is never closed',
      'a,b\n1,2\n3,"4\n5,6\n',
      {},
      /^SOURCE_CORRUPT \/f\.csv, line 3 opens a quote that is not closed before the end of the file: /,
    ],
    [
      'a quote that swallows lines up to the next',
      'a,b\n1,2\n3,"4\n5,"6"\n',
      {},
      /^SOURCE_CORRUPT \/f\.csv, line 3 has text after a closing quote, and extends over 2 lines/,
    ],
    [
      'a record of several lines that lacks a field',
      'a,b,c\n1,2,3\n4,"5\n6"\n',
      {},
      /^SOURCE_CORRUPT \/f\.csv, line 3 has 2 fields instead of 3, and extends over 2 lines/,
    ],
    [
      'a name twice',
      'a,b,a\n1,2,3\n',
      {},
      /^COLUMN_AMBIGUOUS \/f\.csv, line 1: columns 1 and 3 have the same name, a /,
    ],
    [
      'names that differ in letter case',
      'a,b,A\n1,2,3\n',
      {},
      /^COLUMN_AMBIGUOUS .* columns 1 and 3 have the same name, A /,
    ],
    ['an empty name', ',a\n1,2\n', {}, /^COLUMN_AMBIGUOUS \/f\.csv, line 1: column 1 has no name/],
    ['a reserved name', 'a,file_row_number\n1,2\n', {}, /^COLUMN_AMBIGUOUS .*file_row_number is taken/],
    ['a name of ours', 'a,_batchwright_line\n1,2\n', {}, /^COLUMN_AMBIGUOUS .*_batchwright_line is taken/],
    [
      'a broken header',
      'a,b"c\n1,2\n',
      {},
      /^SOURCE_CORRUPT \/f\.csv, line 1 has a quote inside an unquoted field; it names the columns/,
    ],
    [
      'UTF-16 with its mark',
      Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'),
      {},
      /^SOURCE_CORRUPT \/f\.csv is UTF-16/,
    ],
    ['UTF-16 without it', Buffer.from('a,b\n1,2\n', 'utf16le'), {}, /^SOURCE_CORRUPT \/f\.csv is UTF-16/],
    ['an Excel file', latin1('PK\x03\x04rest'), {}, /^SOURCE_CORRUPT \/f\.csv is a ZIP archive/],
    ['Parquet', 'PAR1....PAR1', {}, /^SOURCE_CORRUPT \/f\.csv is Parquet/],
    [
      'a declared column that is not there',
      'a,b\n1,2\n',
      { types: { c: 'DOUBLE' } },
      /^COLUMN_MISSING input\.types declares c/,
    ],
    [
      'an empty first line that may be a record',
      '\n1\n2\n',
      { header: false },
      /^SOURCE_CORRUPT \/f\.csv, line 1 is empty/,
    ],
  ])('%s is refused', async (_, content, input, expected) => {
    expect(await read(content, input)).toMatch(expected);
  });

  test('a field of 10 MB is read, a line of 40 MB is malformed, and the next lines are read', async () => {
    const long = 'x'.repeat(10_000_000);
    const result = await read(`a,b\n1,${long}\n2,"${long.slice(1)}"\n3,${'y'.repeat(40_000_000)}\n4,z\n`, {});
    if (typeof result === 'string') throw new Error(result);
    expect(
      result.rows.map((row) => (Array.isArray(row) ? [row[0], (row[1] as string).length] : row)),
    ).toEqual([['1', 10_000_000], ['2', 9_999_999], '4: is longer than 32 MiB', ['4', 1]]);
  }, 120_000);

  test('100,000 columns are refused, 2,000 are read', async () => {
    const header = (count: number) => Array.from({ length: count }, (_, at) => `c${at}`).join(',');
    const row = (count: number) => Array.from({ length: count }, (_, at) => String(at)).join(',');
    expect(await read(`${header(100_000)}\n${row(100_000)}\n`)).toMatch(
      /^SOURCE_CORRUPT .* has 100000 columns; there may be 20000/,
    );
    expect(await read(`${header(2_000)}\n${row(2_000)}\n${row(1_999)}\n`)).toMatchObject({
      rows: [row(2_000).split(','), '3: has 1999 fields instead of 2000'],
    });
  }, 120_000);
});

describe('types are those of all rows, and lose nothing', () => {
  test.each<[values: string, type: string, read: string]>([
    ['1 2 -3 0', 'BIGINT', '1 2 -3 0'],
    ['9223372036854775807 -9223372036854775808', 'BIGINT', '9223372036854775807 -9223372036854775808'],
    ['9223372036854775808 1', 'VARCHAR', '9223372036854775808 1'],
    ['12345678901234567890 1', 'VARCHAR', '12345678901234567890 1'],
    ['007 8', 'VARCHAR', '007 8'],
    ['+5 6', 'VARCHAR', '+5 6'],
    ['1_000 1', 'VARCHAR', '1_000 1'],
    ['0x1F 1', 'VARCHAR', '0x1F 1'],
    ['1.5 2 -0 .5 5. 1e3 1E-2', 'DOUBLE', '1.5 2.0 -0.0 0.5 5.0 1000.0 0.01'],
    ['9007199254740993 0.5', 'VARCHAR', '9007199254740993 0.5'],
    ['9007199254740992 0.5', 'DOUBLE', '9007199254740992.0 0.5'],
    ['9007199254740993.0 1.5', 'VARCHAR', '9007199254740993.0 1.5'],
    ['0.1000000000000000055511151231257827 2.0', 'DOUBLE', '0.1 2.0'],
    ['3.14159265358979323846 2.0', 'VARCHAR', '3.14159265358979323846 2.0'],
    ['1.000000000000000056e-01 2.0', 'DOUBLE', '0.1 2.0'],
    ['0.7182130813598633 2.5', 'DOUBLE', '0.7182130813598633 2.5'],
    ['1e400 1.5', 'VARCHAR', '1e400 1.5'],
    ['1e-400 1.5', 'VARCHAR', '1e-400 1.5'],
    ['1.7976931348623157e308 5e-324', 'DOUBLE', '1.7976931348623157e+308 5e-324'],
    ['NaN inf -Infinity 1.5', 'DOUBLE', 'nan inf -inf 1.5'],
    ['true FALSE', 'BOOLEAN', 'true false'],
    ['true 1', 'VARCHAR', 'true 1'],
    ['2025-02-28 0001-01-01 9999-12-31', 'DATE', '2025-02-28 0001-01-01 9999-12-31'],
    ['2025-02-30 2025-02-28', 'VARCHAR', '2025-02-30 2025-02-28'],
    ['2024-02-29 2100-02-28', 'DATE', '2024-02-29 2100-02-28'],
    ['2100-02-29', 'VARCHAR', '2100-02-29'],
    ['0000-01-01', 'VARCHAR', '0000-01-01'],
    ['2025-01-01T10:00:00 2025-01-02', 'TIMESTAMP', '2025-01-01|10:00:00 2025-01-02|00:00:00'],
    ['2025-01-01T10:00:00.123456', 'TIMESTAMP', '2025-01-01|10:00:00.123456'],
    ['2025-01-01T10:00:00.1234567', 'VARCHAR', '2025-01-01T10:00:00.1234567'],
    ['2016-12-31T23:59:60', 'VARCHAR', '2016-12-31T23:59:60'],
    ['2025-01-01T24:00:00', 'VARCHAR', '2025-01-01T24:00:00'],
    [
      '2025-01-01T10:00:00Z 2025-01-01T10:00:00+02:00',
      'TIMESTAMP WITH TIME ZONE',
      '2025-01-01|10:00:00+00 2025-01-01|08:00:00+00',
    ],
    ['2025-01-01T10:00:00Z 2025-01-01T10:00:00', 'VARCHAR', '2025-01-01T10:00:00Z 2025-01-01T10:00:00'],
    ['null NULL', 'VARCHAR', 'null NULL'],
    ['☃ é é 👩‍👩‍👧', 'VARCHAR', '☃ é é 👩‍👩‍👧'],
  ])('%s: %s', async (values, type, expected) => {
    const lines = values.split(' ');
    const direct = await read(`i,v\n${lines.map((value, at) => `${at},${value}`).join('\n')}\n`);
    expect(direct).toMatchObject({ columns: ['i BIGINT', `v ${type}`] });
    const shown = (result: unknown) =>
      (result as { rows: unknown[] }).rows
        .flatMap((row) => (Array.isArray(row) ? [String(row[1]).replace(' ', '|')] : []))
        .join(' ');
    expect(shown(direct)).toBe(expected);
    // The same by the way of a plain copy, with quotes.
    const copied = await read(`i,v\nbroken\n${lines.map((value, at) => `${at},"${value}"`).join('\n')}\n`);
    expect(copied).toMatchObject({ columns: ['i BIGINT', `v ${type}`] });
    expect(shown(copied)).toBe(expected);
  });

  test('with a decimal comma, too: only numbers have commas, and other values keep their types', async () => {
    const values = '1,5;true;2025-02-28;2025-02-28T10:00:00Z;1.5;1,5 %';
    const found = await read(`i;a;b;c;d;e;f\n1;${values}\n2;${values}\n`, { delimiter: ';', decimal: ',' });
    expect(found).toMatchObject({
      columns: [
        'i BIGINT',
        'a DOUBLE',
        'b BOOLEAN',
        'c DATE',
        'd TIMESTAMP WITH TIME ZONE',
        'e VARCHAR',
        'f VARCHAR',
      ],
    });
  });

  test('a column that is text from its last row on is text in all, in a file larger than a sample', async () => {
    const lines = Array.from({ length: 150_000 }, (_, at) => `${at},${at % 7}`);
    const clean = await read(`i,v\n${lines.join('\n')}\n`);
    expect(clean).toMatchObject({ columns: ['i BIGINT', 'v BIGINT'] });
    const late = await read(`i,v\n${lines.join('\n')}\n150000,007\n`);
    expect(late).toMatchObject({ columns: ['i BIGINT', 'v VARCHAR'] });
    expect((late as { rows: unknown[] }).rows.at(-1)).toEqual(['150000', '007']);
    const broken = await read(`i,v\n${lines.join('\n')}\n150000\n`);
    expect((broken as { rows: unknown[] }).rows.at(-1)).toBe('150002: has 1 field instead of 2');
  });
});

describe('should DuckDB and our scanner ever disagree', () => {
  test.each<[what: string, misread: string, why: RegExp]>([
    ['about how many records there are', 'a,b\n1,2\n3,4\n', /it has 3 records for one, 2 for the other/],
    [
      'about which fields are null',
      'a,b\n1,2\n3,4\n,6\n',
      /column a is null in 0 records for one, in 1 for the other/,
    ],
  ])('%s, the job fails and nothing is kept', async (_, misread, why) => {
    await read('a,b\n1,2\n3,4\n5,6\n');
    const other = join(bench.folder, 'other.txt');
    writeFileSync(other, misread);
    await expect(bench.pin({ source: 'csv' }, { misread: [other] })).rejects.toMatchObject({
      code: 'SOURCE_CORRUPT',
      message: expect.stringMatching(why),
    });
  });
});

describe('declared types', () => {
  test.each<[type: string, fits: string, not: string]>([
    ['TINYINT', '127 -128 +7 007', '128 -129 1.0 x'],
    ['UBIGINT', '18446744073709551615 0', '18446744073709551616 -1'],
    ['INTEGER', '2147483647', '2147483648 1e3'],
    ['FLOAT', '1.5 3.4e38 nan -inf 16777217', '3.5e38 1,5 x'],
    ['DOUBLE', '1e308 12345678901234567890 .5', '1e309 1_000 0x10'],
    ['DECIMAL(5,2)', '123.45 -0.10 1.500 +7 000123', '1234.5 1.005 1e2 nan'],
    ['DATE', '2025-02-28', '2025-02-30 2025-2-1 2025-01-01T00:00:00'],
    ['TIMESTAMP', '2025-02-28T10:00:00.5 2025-02-28', '2025-02-28T10:00:00Z 2025-02-28T25:00:00'],
    ['BOOLEAN', 'true F yes N 1 0', '2 ja'],
    ['VARCHAR', '007 1.50 x', ''],
  ])('%s', async (type, fits, not) => {
    const good = fits.split(' ');
    const bad = not.split(' ').filter((value) => value !== '');
    const result = await read(
      `i,v\n${[...good, ...bad].map((value, at) => `${at},"${value}"`).join('\n')}\n`,
      { types: { v: type } },
    );
    expect(result).toMatchObject({ columns: ['i BIGINT', `v ${type}`] });
    const { rows } = result as { rows: unknown[] };
    expect(rows.slice(0, good.length).every((row) => Array.isArray(row) && row[1] !== null)).toBe(true);
    expect(rows.slice(good.length)).toEqual(
      bad.map(
        (value, at) =>
          `${good.length + at + 2}: has ${JSON.stringify(value)} in column v, which is no ${type}`,
      ),
    );
    // DuckDB's own reading, without the plain copy.
    const direct = await read(`i,v\n${good.map((value, at) => `${at},${value}`).join('\n')}\n`, {
      types: { v: type },
    });
    expect((direct as { rows: unknown[] }).rows).toEqual(rows.slice(0, good.length));
  });
});
