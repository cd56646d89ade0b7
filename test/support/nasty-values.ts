import { seededNumbers } from '../onnx-builder.ts';

/**
 * Values of each type that have broken some reader or writer before, then as many at random as make 200 (the same every
 * time; BOOLEAN has fewer), as DuckDB expressions of that type. No nulls: tables add their own.
 */
export function nastyValues(type: string): string[] {
  const make = VALUES[type];
  if (make === undefined) throw new Error(`there are no nasty values of ${type}`);
  return make(seededNumbers(type.length * 7_919 + type.charCodeAt(0)));
}

/** A table of `id` (0, 1 ...) and `v`: the nasty values, and a null at the beginning, in the middle and at the end. */
export function nastyTable(type: string): string {
  const values = nastyValues(type);
  values.splice(values.length >> 1, 0, 'NULL');
  const rows = ['NULL', ...values, 'NULL'].map((value, id) => `(${id}, (${value})::${type})`);
  return `SELECT id::BIGINT AS id, v FROM (VALUES ${rows.join(', ')}) t(id, v) ORDER BY id`;
}

/** Types that a Parquet file can hold and that go through the engine exactly; nested ones stand for all of their kind. */
export function nastyTypes(): string[] {
  return Object.keys(VALUES);
}

type Random = () => number;
type Make = (random: Random) => string[];

const COUNT = 200;

const padded =
  (hand: readonly string[], make: (random: Random, at: number) => string): Make =>
  (random) => [
    ...hand,
    ...Array.from({ length: Math.max(0, COUNT - hand.length) }, (_, at) => make(random, at)),
  ];

/** Whole numbers of so many bits, at all magnitudes. */
function whole(bits: number, signed: boolean): Make {
  const max = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  const min = signed ? -max - 1n : 0n;
  const limits = [min, max, min + 1n, max - 1n, 0n, 1n, ...(signed ? [-1n] : [])];
  const doubles = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n];
  const hand = [...limits, ...doubles.filter((value) => value <= max && value >= min)].map(String);
  return padded(hand, (random) => {
    const size = BigInt(Math.floor(random() * bits) + 1);
    const value = BigInt.asUintN(Number(size), bitsOf(random));
    return String(
      signed ? BigInt.asIntN(bits, random() < 0.5 ? -value : value) : BigInt.asUintN(bits, value),
    );
  });
}

function bitsOf(random: Random): bigint {
  return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
}

/** Every bit pattern is as likely as another, so every exponent is. */
function fraction(type: 'FLOAT' | 'DOUBLE', hand: readonly string[]): Make {
  const bytes = new DataView(new ArrayBuffer(8));
  const special = ['nan', 'inf', '-inf', '0.0', '-0.0', '0.1', '0.7', '-1', '1e16', '123456789', ...hand];
  return padded(
    special.map((text) => `'${text}'::${type}`),
    (random) => {
      bytes.setBigUint64(0, bitsOf(random));
      return `'${type === 'FLOAT' ? bytes.getFloat32(0) : bytes.getFloat64(0)}'::${type}`.replace(
        'Infinity',
        'inf',
      );
    },
  );
}

function decimal(width: number, scale: number): Make {
  const nines = '9'.repeat(width);
  const point = (digits: string) => {
    const all = digits.padStart(scale + 1, '0');
    return scale === 0 ? all : `${all.slice(0, -scale)}.${all.slice(-scale)}`;
  };
  const hand = [nines, `-${nines}`, '0', '1', '-1', '10'].map((text) =>
    text.startsWith('-') ? `-${point(text.slice(1))}` : point(text),
  );
  return padded(hand.map(quoted), (random) => {
    const length = Math.floor(random() * width) + 1;
    const digits = Array.from({ length }, () => Math.floor(random() * 10)).join('');
    return quoted(`${random() < 0.5 ? '-' : ''}${point(digits)}`);
  });
}

const quoted = (text: string) => `'${text}'`;

/** A text as an expression; NUL has no place in a literal. */
function textSql(text: string): string {
  return text
    .split('\0')
    .map((part) => `'${part.replaceAll("'", "''")}'`)
    .join(' || chr(0) || ');
}

/** Pieces that mean something to a reader of CSV, of JSON, of numbers, or to a spreadsheet. */
const PIECES: readonly string[] = [
  '',
  ' ',
  '  ',
  '"',
  '""',
  "'",
  ',',
  ';',
  '|',
  '\t',
  '\n',
  '\r',
  '\r\n',
  '\0',
  '\\',
  '\\n',
  '\\"',
  '\\u0000',
  '\b',
  '\u001f',
  '\u007f',
  'null',
  'NULL',
  'Null',
  '\\N',
  'NA',
  'NaN',
  'nan',
  'inf',
  'true',
  '0',
  '-0',
  '007',
  '1e5',
  '0x1F',
  '1,5',
  '2020-02-30',
  '1_000',
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=1',
  '\r=1',
  '\n=1',
  "'=1",
  '#',
  '# no comment',
  '//',
  '/*',
  '--',
  '{',
  '[',
  '{}',
  '{"a": 1}',
  '[1, null]',
  '\ufeff',
  '\u200b',
  '\u2028',
  '\u2029',
  '\u202e',
  '\u0085',
  'é',
  'e\u0301',
  'ß',
  'ﬃ',
  '😀',
  '👩‍👩‍👧',
  '\u{10ffff}',
  '\ufffd',
  '\ufffe',
  'longer than twelve bytes',
  'ends in a quote"',
  '"begins with one',
  'a "b" c',
  'a,b',
  'a\nb',
  'a\rb',
  'a\0b',
  ' leads',
  'trails ',
];
const text: Make = padded(
  [...PIECES, 'x'.repeat(10_000), '"'.repeat(3_001), 'é,\n'.repeat(2_000)].map(textSql),
  (random) =>
    textSql(
      Array.from(
        { length: 1 + Math.floor(random() * 6) },
        () => PIECES[Math.floor(random() * PIECES.length)],
      ).join(''),
    ),
);

const bytes: Make = padded(
  [`''::BLOB`, `'\\x00'::BLOB`, `'\\xFF\\xC3\\x28'::BLOB`, `'","'::BLOB`],
  (random) => {
    const length = Math.floor(random() * 20);
    return `'${Array.from({ length }, () => `\\x${hex(random, 2)}`).join('')}'::BLOB`;
  },
);

function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
}

const uuid: Make = padded(
  [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '80000000-0000-0000-0000-000000000000',
  ].map(quoted),
  (random) => quoted([8, 4, 4, 4, 12].map((digits) => hex(random, digits)).join('-')),
);

const jsonText: Make = padded(
  [
    'null',
    '""',
    '"null"',
    '{}',
    '[]',
    '{"b": 1,  "a": [null, 1.0]}',
    '{"a": 1, "a": 2}',
    '1e400',
    '-0',
    '12345678901234567890123',
    '"\\u0000\\ud83d\\ude00"',
    'true',
  ].map(quoted),
  (random) => quoted(`{"${hex(random, 3)}": [${Math.floor(random() * 1e6)}, "\\n,\\"${hex(random, 2)}"]}`),
);

const DAYS = 719_162;
const date: Make = padded(
  [
    ...[
      '0001-01-01',
      '9999-12-31',
      '1969-12-31',
      '2020-02-29',
      '10000-01-01',
      '290000-01-01',
      '0044-03-15 (BC)',
      'infinity',
      '-infinity',
    ].map((at) => `'${at}'::DATE`),
  ],
  (random) => `DATE '1970-01-01' + ${Math.floor((random() * 4.08 - 1) * DAYS)}`,
);

const timeOfDay: Make = padded(
  ['00:00:00', '23:59:59.999999', '24:00:00', '00:00:00.000001'].map((at) => `'${at}'::TIME`),
  (random) => `make_time(0, 0, 0) + to_microseconds(${Math.floor(random() * 86_400e6)})`,
);
const timeWithZone: Make = padded(
  ['00:00:00+00', '23:59:59.999999+15:59:59', '12:00:00-15:59:59', '00:00:00.000001+05:30'].map(
    (at) => `'${at}'::TIMETZ`,
  ),
  (random) =>
    `'${String(Math.floor(random() * 24)).padStart(2, '0')}:30:00.${Math.floor(random() * 1e6)}+0${Math.floor(random() * 10)}:15'::TIMETZ`,
);

/** Microseconds since 1970 at all magnitudes, both ways. */
function instants(make: (us: string) => string, hand: readonly string[]): Make {
  return padded(hand, (random) =>
    make(String(BigInt.asIntN(58, bitsOf(random)) / 10n ** BigInt(Math.floor(random() * 16)))),
  );
}
const INSTANTS = [
  '1970-01-01 00:00:00',
  '0001-01-01 00:00:00',
  '9999-12-31 23:59:59.999999',
  '1677-01-01 00:00:00.000001',
  '2016-12-31 23:59:59.999999',
  '10000-01-01 00:00:00',
  '290000-12-31 23:59:59.999999',
];
const timestamp = instants(
  (us) => `make_timestamp(${us})`,
  [...INSTANTS, '0044-03-15 (BC) 10:00:00', 'infinity', '-infinity'].map((at) => `'${at}'::TIMESTAMP`),
);
/** Later than 285,000 DuckDB does not read its own text of a time with a zone to the microsecond. */
const timestampTz = instants(
  (us) => `make_timestamp(${us}) AT TIME ZONE 'UTC'`,
  [
    ...INSTANTS.map((at) => `${at}+00`.replace('290000', '285000')),
    '2020-03-29 02:30:00+05:30',
    '0044-03-15 (BC) 10:00:00+00',
    'infinity',
    '-infinity',
  ].map((at) => `'${at}'::TIMESTAMPTZ`),
);
const timestampNs: Make = padded(
  [
    '2020-02-29 12:00:00.123456789',
    '1970-01-01 00:00:00.000000001',
    '1700-01-01 00:00:00',
    '2262-01-01 00:00:00.999999999',
  ].map((at) => `'${at}'::TIMESTAMP_NS`),
  (random) => `make_timestamp_ns(${BigInt.asIntN(62, bitsOf(random))})`,
);

/** Parquet has no negative ones. */
const interval: Make = padded(
  [
    `INTERVAL '14 months 3 days 00:00:01.5'`,
    'INTERVAL 0 SECOND',
    'to_months(12000)',
    'to_days(100000)',
    'to_milliseconds(3456000000)',
  ],
  (random) =>
    `to_months(${Math.floor(random() * 100)}) + to_days(${Math.floor(random() * 100)}) + to_milliseconds(${Math.floor(random() * 1e9)})`,
);

/** Lists of 0 to 4 values of another make, with nulls in them. */
const listOf =
  (make: Make, type: string): Make =>
  (random) => {
    const values = make(random);
    return values.map((value, at) =>
      at === 0
        ? `[]::${type}[]`
        : `[${Array.from({ length: at % 5 }, (_, i) => (i === 2 ? 'NULL' : `(${i === 0 ? value : values[(at * 7 + i) % values.length]})::${type}`)).join(', ')}]::${type}[]`,
    );
  };

const VALUES: Readonly<Record<string, Make>> = {
  BOOLEAN: () => ['true', 'false'],
  TINYINT: whole(8, true),
  SMALLINT: whole(16, true),
  INTEGER: whole(32, true),
  BIGINT: whole(64, true),
  UTINYINT: whole(8, false),
  USMALLINT: whole(16, false),
  UINTEGER: whole(32, false),
  UBIGINT: whole(64, false),
  FLOAT: fraction('FLOAT', ['1e-45', '3.4028235e38', '16777216', '1.1754944e-38']),
  DOUBLE: fraction('DOUBLE', [
    '5e-324',
    '1.7976931348623157e308',
    '2.2250738585072014e-308',
    '0.30000000000000004',
    '9007199254740993',
  ]),
  'DECIMAL(4,2)': decimal(4, 2),
  'DECIMAL(18,3)': decimal(18, 3),
  'DECIMAL(15,15)': decimal(15, 15),
  'DECIMAL(15,14)': decimal(15, 14),
  'DECIMAL(38,0)': decimal(38, 0),
  'DECIMAL(38,10)': decimal(38, 10),
  'DECIMAL(38,38)': decimal(38, 38),
  VARCHAR: text,
  BLOB: bytes,
  JSON: jsonText,
  UUID: uuid,
  DATE: date,
  TIME: timeOfDay,
  TIME_NS: padded(
    [`'23:59:59.999999999'::TIME_NS`, `'00:00:00.000000001'::TIME_NS`],
    (random) => `'12:34:56.${String(Math.floor(random() * 1e9)).padStart(9, '0')}'::TIME_NS`,
  ),
  'TIME WITH TIME ZONE': timeWithZone,
  TIMESTAMP: timestamp,
  TIMESTAMP_NS: timestampNs,
  'TIMESTAMP WITH TIME ZONE': timestampTz,
  INTERVAL: interval,
  'BIGINT[]': listOf(whole(64, true), 'BIGINT'),
  'FLOAT[]': listOf(fraction('FLOAT', []), 'FLOAT'),
  'VARCHAR[]': listOf(text, 'VARCHAR'),
  'TIMESTAMP WITH TIME ZONE[]': listOf(timestampTz, 'TIMESTAMPTZ'),
  'DECIMAL(38,10)[][]': listOf(listOf(decimal(38, 10), 'DECIMAL(38,10)'), 'DECIMAL(38,10)[]'),
  'STRUCT(a UBIGINT, "b ""c" VARCHAR[], d STRUCT(e DOUBLE))': (random) => {
    const whole64 = whole(64, false)(random);
    const texts = listOf(text, 'VARCHAR')(random);
    const doubles = fraction('DOUBLE', [])(random);
    return whole64.map(
      (a, at) =>
        `{'a': ${a}::UBIGINT, 'b "c': ${texts[at]}, 'd': ${at % 9 === 0 ? 'NULL' : `{'e': ${doubles[at]}}`}}`,
    );
  },
  'MAP(VARCHAR, DECIMAL(18,3))': (random) => {
    const keys = [...new Set(text(random))];
    const amounts = decimal(18, 3)(random);
    return amounts.map((amount, at) =>
      at === 0 ? 'MAP {}' : `MAP {${keys[at % keys.length]}: ${amount}::DECIMAL(18,3), 'key ${at}': NULL}`,
    );
  },
  'MAP(INTEGER, VARCHAR)': (random) => text(random).map((value, at) => `MAP {${at}: ${value}}`),
};
