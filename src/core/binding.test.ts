import { expect, test } from 'vitest';
import { type BindRequest, bind } from './binding.ts';
import type { ElementType } from './columns.ts';
import type { Failure } from './errors.ts';
import type { ModelSignature, OutputSpec, TensorSpec } from './signature.ts';
import type { SourceColumn } from './snapshot.ts';

const columns = (types: Record<string, string>): SourceColumn[] =>
  Object.entries(types).map(([name, type]) => ({ name, type, neverNull: false }));
const input = (name: string, shape: TensorSpec['shape'], type: ElementType = 'float32'): TensorSpec => ({
  name,
  type,
  shape,
});
const SCORE: OutputSpec = { name: 'score', type: 'float32', shape: [null, 1] };
const TABLE = columns({
  id: 'BIGINT',
  tenure: 'INTEGER',
  charges: 'DOUBLE',
  contract: 'VARCHAR',
  active: 'BOOLEAN',
  paid: 'DECIMAL(18,3)',
  since: 'DATE',
});
const PACKED: ModelSignature = { inputs: [input('features', ['N', 3])], outputs: [SCORE] };
const NAMED: ModelSignature = {
  inputs: [input('tenure', [null, 1]), input('contract', [null], 'string')],
  outputs: [SCORE],
};

function failure(signature: ModelSignature, request: BindRequest): Failure {
  try {
    bind(signature, request);
  } catch (error) {
    return error as Failure;
  }
  throw new Error('it was bound');
}

test("features are packed into the one input in the order given, never the table's", () => {
  expect(bind(PACKED, { features: ['paid', 'tenure', 'active'], columns: TABLE })).toEqual({
    inputs: [{ input: 'features', type: 'float32', columns: ['paid', 'tenure', 'active'], rank: 2 }],
    outputs: [{ output: 'score', column: 'score', type: 'float32', shape: 'scalar' }],
  });
});

test('one feature goes to an input of rank 1, and any number to one of free width', () => {
  const flat = bind(
    { inputs: [input('x', [null])], outputs: [SCORE] },
    { features: ['tenure'], columns: TABLE },
  );
  expect(flat.inputs).toEqual([{ input: 'x', type: 'float32', columns: ['tenure'], rank: 1 }]);
  const free = bind(
    { inputs: [input('x', ['N', 'F'])], outputs: [SCORE] },
    { features: ['tenure', 'paid'], columns: TABLE },
  );
  expect(free.inputs[0]?.columns).toEqual(['tenure', 'paid']);
});

test('another number of features than the model takes is refused, with both sides in the message', () => {
  for (const features of [['tenure'], ['tenure', 'charges', 'paid', 'active'], []]) {
    const { code, message, details } = failure(PACKED, { features, columns: TABLE });
    expect(code).toBe('MODEL_BINDING');
    expect(message).toContain(`${features.length} column`);
    expect(details.slice(0, 4)).toEqual([
      'inputs of the model           columns of the input',
      'features  float32 [rows, 3]   id        BIGINT',
      '                              tenure    INTEGER',
      '                              charges   DOUBLE',
    ]);
  }
  const flat = { inputs: [input('x', [null])], outputs: [SCORE] };
  const free = { inputs: [input('x', [null, null])], outputs: [SCORE] };
  expect(failure(free, { features: [], columns: TABLE }).code).toBe('MODEL_BINDING');
  expect(failure(flat, { features: ['tenure', 'charges'], columns: TABLE }).code).toBe('MODEL_BINDING');
});

test('several inputs take the feature, or the column, of their name, in any order', () => {
  const expected = [
    { input: 'tenure', type: 'float32', columns: ['tenure'], rank: 2 },
    { input: 'contract', type: 'string', columns: ['contract'], rank: 1 },
  ];
  expect(bind(NAMED, { features: ['contract', 'tenure'], columns: TABLE }).inputs).toEqual(expected);
  expect(bind(NAMED, { columns: TABLE }).inputs).toEqual(expected);
});

test('what would have to be guessed is refused', () => {
  const wide: ModelSignature = {
    inputs: [input('tenure', ['N', 2]), input('contract', [null], 'string')],
    outputs: [SCORE],
  };
  const free: ModelSignature = { inputs: [input('tenure', ['N', null])], outputs: [SCORE] };
  const cases: [ModelSignature, BindRequest, RegExp][] = [
    [PACKED, { columns: TABLE }, /'features' takes several columns/],
    [PACKED, { columns: columns({ a: 'FLOAT', b: 'FLOAT', c: 'FLOAT' }) }, /order is not known/],
    [free, { columns: TABLE }, /'tenure' takes several columns/],
    [NAMED, { columns: columns({ tenure: 'INTEGER' }) }, /No column has the name of the input 'contract'/],
    [
      NAMED,
      { features: ['tenure', 'charges'], columns: TABLE },
      /no feature has the name of the input 'contract'/,
    ],
    [
      NAMED,
      { features: ['tenure', 'contract', 'charges'], columns: TABLE },
      /the name of the feature 'charges'/,
    ],
    [wide, { features: ['tenure', 'contract'], columns: TABLE }, /'tenure' takes several columns/],
    [{ inputs: [], outputs: [SCORE] }, { columns: TABLE }, /no inputs/],
  ];
  for (const [signature, request, message] of cases) {
    expect(failure(signature, request)).toMatchObject({
      code: 'MODEL_BINDING',
      message: expect.stringMatching(message),
    });
  }
});

test('an input that cannot be filled by columns is refused by its shape', () => {
  const lists = columns({ image: 'FLOAT[]', tenure: 'FLOAT' });
  const cases: [readonly TensorSpec[], string][] = [
    [[input('image', [])], 'no dimension'],
    [[input('image', [1, 3]), input('tenure', [8])], "1 records in 'image', but 8 in 'tenure'"],
    [[input('image', ['N', 'H', 'W'])], 'more than one dimension of a record free'],
    [[input('image', ['N', 'N']), input('tenure', ['N'])], 'as wide as there are records'],
  ];
  for (const [inputs, problem] of cases) {
    const names = inputs.map(({ name }) => name);
    expect(failure({ inputs, outputs: [SCORE] }, { features: names, columns: lists })).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining(problem),
    });
  }
});

test('a fixed number of records is told, once for all inputs', () => {
  const signature = (...shapes: TensorSpec['shape'][]): ModelSignature => ({
    inputs: shapes.map((shape, at) => input(['tenure', 'charges', 'paid'][at] ?? '', shape)),
    outputs: [SCORE],
  });
  expect(bind(signature([8]), { columns: TABLE }).batchRows).toBe(8);
  expect(bind(signature(['N', 1], [8, 1], [8]), { columns: TABLE }).batchRows).toBe(8);
  expect(bind(signature(['N', 1]), { columns: TABLE })).not.toHaveProperty('batchRows');
});

test('columns of lists fill an input alone, flat or nested as deep as it is', () => {
  const lists = columns({
    flat: 'FLOAT[]',
    deep: 'DOUBLE[][]',
    fixed: 'INTEGER[8][8]',
    texts: 'VARCHAR[]',
    x: 'FLOAT',
  });
  const bound = (shape: TensorSpec['shape'], name: string) =>
    bind({ inputs: [input('in', shape)], outputs: [SCORE] }, { features: [name], columns: lists }).inputs[0];
  expect(bound(['N', 64], 'flat')).toEqual({
    input: 'in',
    type: 'float32',
    columns: ['flat'],
    rank: 2,
    list: [64],
  });
  expect(bound(['N', 'K'], 'flat')?.list).toEqual([null]);
  expect(bound(['N', 8, 8], 'flat')?.list).toEqual([8, 8]);
  expect(bound(['N', 8, 8], 'deep')?.list).toEqual([8, 8]);
  expect(bound(['N', 'T', 8], 'fixed')?.list).toEqual([null, 8]);
  for (const [shape, name] of [
    [['N'], 'flat'],
    [['N', 64], 'deep'],
    [['N', 1, 8, 8], 'deep'],
    [['N', 64], 'texts'],
  ] as const) {
    const signature = { inputs: [input('in', shape)], outputs: [SCORE] };
    expect(failure(signature, { features: [name], columns: lists }).code, name).toBe('COLUMN_TYPE');
  }
  const mixed = { inputs: [input('in', ['N', 2])], outputs: [SCORE] };
  expect(failure(mixed, { features: ['flat', 'x'], columns: lists })).toMatchObject({
    code: 'COLUMN_TYPE',
    message: expect.stringContaining('alone'),
  });
  // By its name, too: a vector column called as the input.
  expect(
    bind({ inputs: [input('flat', ['N', 64])], outputs: [SCORE] }, { columns: lists }).inputs[0]?.list,
  ).toEqual([64]);
});

test('single columns fill an input of fixed dimensions, as many as it has places', () => {
  const pixels = Array.from({ length: 6 }, (_, at) => `p${at}`);
  const table = columns(Object.fromEntries(pixels.map((name) => [name, 'FLOAT'])));
  const image = { inputs: [input('image', ['N', 1, 2, 3])], outputs: [SCORE] };
  expect(bind(image, { features: pixels, columns: table }).inputs).toEqual([
    { input: 'image', type: 'float32', columns: pixels, rank: 4 },
  ]);
  expect(failure(image, { features: pixels.slice(1), columns: table }).message).toContain(
    'takes 6 columns, but 5',
  );
  const open = { inputs: [input('image', ['N', 'T', 3])], outputs: [SCORE] };
  expect(failure(open, { features: pixels, columns: table }).code).toBe('MODEL_BINDING');
});

const WIDE_AND_DEEP: ModelSignature = {
  inputs: [input('wide', ['N', 2]), input('deep', ['N', 3]), input('tenure', ['N', 1])],
  outputs: [SCORE],
};

test('a mapping names the columns of each input; an input left out takes the column of its name', () => {
  const features = { deep: ['tenure', 'charges', 'active'], wide: ['paid', 'charges'] };
  expect(bind(WIDE_AND_DEEP, { features, columns: TABLE }).inputs.map(({ columns: names }) => names)).toEqual(
    [['paid', 'charges'], ['tenure', 'charges', 'active'], ['tenure']],
  );
  const refusals: [Record<string, string[]>, string, RegExp][] = [
    [{ ...features, wdie: ['paid'] }, 'MODEL_BINDING', /'wdie'.*did you mean 'wide'/],
    [{ ...features, wide: ['paid'] }, 'MODEL_BINDING', /'wide' takes 2 columns, but 1 column is/],
    [
      { ...features, wide: ['paid', 'PAID'] },
      'SPEC_INVALID',
      /input\.features\.wide names the column 'paid' twice/,
    ],
    [{ ...features, wide: ['paid', 'nope'] }, 'COLUMN_MISSING', /'nope' \(input\.features\.wide\)/],
    [{ wide: ['paid', 'charges'] }, 'MODEL_BINDING', /'deep' takes several columns/],
  ];
  for (const [wrong, code, message] of refusals)
    expect(failure(WIDE_AND_DEEP, { features: wrong, columns: TABLE })).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
});

test('free widths of one name are equal, or the model would be fed what it cannot take', () => {
  const signature: ModelSignature = {
    inputs: [input('a', ['N', 'K']), input('b', ['N', 'K'])],
    outputs: [SCORE],
  };
  expect(
    bind(signature, { features: { a: ['tenure', 'paid'], b: ['charges', 'active'] }, columns: TABLE }).inputs,
  ).toHaveLength(2);
  expect(
    failure(signature, { features: { a: ['tenure'], b: ['charges', 'active'] }, columns: TABLE }).message,
  ).toMatch(/'a' and 'b' must get equally many columns \(K\), but get 1 and 2/);
});

test('auto takes the columns without the key in their order, only when they are exactly as many', () => {
  const table = columns({ b: 'FLOAT', id: 'BIGINT', a: 'FLOAT', c: 'FLOAT' });
  const request = { features: 'auto', columns: table } as const;
  expect(bind(PACKED, { ...request, key: 'ID' }).inputs[0]?.columns).toEqual(['b', 'a', 'c']);
  expect(failure(PACKED, request)).toMatchObject({
    code: 'MODEL_BINDING',
    message: expect.stringMatching(/has 4 columns, but the model's input 'features' takes 3/),
  });
  const free = { inputs: [input('x', ['N', 'F'])], outputs: [SCORE] };
  expect(failure(free, request).message).toContain('proves nothing');
  // Several inputs have names: those count, not the order of the columns.
  expect(bind(NAMED, { features: 'auto', columns: TABLE }).inputs.map(({ columns: [name] }) => name)).toEqual(
    ['tenure', 'contract'],
  );
});

test("names stored with the model's version stand in for missing ones, and another order is refused", () => {
  const stored = { features: ['paid', 'tenure', 'charges'] };
  const columnsOf = (features?: BindRequest['features']) => {
    const { inputs, warnings } = bind(PACKED, {
      columns: TABLE,
      stored,
      key: 'id',
      ...(features === undefined ? {} : { features }),
    });
    return [inputs[0]?.columns, warnings?.length ?? 0];
  };
  expect(columnsOf()).toEqual([stored.features, 0]);
  expect(columnsOf('auto')).toEqual([stored.features, 0]);
  expect(columnsOf(['Paid', 'TENURE', 'charges'])).toEqual([stored.features, 0]);
  expect(columnsOf({ features: ['paid', 'tenure', 'charges'] })).toEqual([stored.features, 0]);
  expect(columnsOf(['paid', 'tenure', 'active'])).toEqual([['paid', 'tenure', 'active'], 1]);
  expect(failure(PACKED, { columns: TABLE, stored, features: ['tenure', 'paid', 'charges'] })).toMatchObject({
    code: 'MODEL_BINDING',
    message: expect.stringMatching(/tenure, paid, charges; the version has: paid, tenure, charges/),
  });
});

const ALL = columns({
  tiny: 'TINYINT',
  big: 'BIGINT',
  ubig: 'UBIGINT',
  huge: 'HUGEINT',
  f: 'FLOAT',
  d: 'DOUBLE',
  dec: 'DECIMAL(9,2)',
  b: 'BOOLEAN',
  s: 'VARCHAR',
  day: 'DATE',
  at: 'TIMESTAMP WITH TIME ZONE',
  list: 'DOUBLE[]',
  blob: 'BLOB',
  row: 'STRUCT(a INTEGER)',
});
const NUMBERS = ['tiny', 'big', 'ubig', 'huge'];

test.each<[ElementType, string[]]>([
  ['float32', [...NUMBERS, 'f', 'd', 'dec', 'b']],
  ['float64', [...NUMBERS, 'f', 'd', 'dec', 'b']],
  ['float16', [...NUMBERS, 'f', 'd', 'dec', 'b']],
  ['int8', [...NUMBERS, 'b']],
  ['int64', [...NUMBERS, 'b']],
  ['uint64', [...NUMBERS, 'b']],
  ['bool', ['b']],
  ['string', ['s']],
])('a %s input takes the columns %j and no others', (type, expected) => {
  const signature = { inputs: [input('x', [null], type)], outputs: [SCORE] };
  for (const { name, type: columnType } of ALL) {
    const request = { features: [name], columns: ALL };
    if (expected.includes(name)) expect(bind(signature, request).inputs[0]?.columns).toEqual([name]);
    else {
      const failed = failure(signature, request);
      expect(failed).toMatchObject({ code: 'COLUMN_TYPE', place: { field: name } });
      for (const part of [name, columnType, 'x', type]) expect(failed.message).toContain(part);
    }
  }
});

test('a column that is not there gets a suggestion and the list of those that are', () => {
  const { code, message } = failure(PACKED, { features: ['tenure', 'charge', 'paid'], columns: TABLE });
  expect(code).toBe('COLUMN_MISSING');
  expect(message).toMatch(/'charge'.*Did you mean 'charges'\?.*id, tenure, charges/);
  expect(failure(PACKED, { features: ['zzzzz', 'a', 'b'], columns: TABLE }).message).not.toContain(
    'Did you mean',
  );
});

test('a list of 5,000 columns is cut in messages', () => {
  const many = columns(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`c${i}`, 'DOUBLE'])));
  expect(failure(PACKED, { features: ['nothing like it'], columns: many }).message).toMatch(
    /^.{0,500} and 4970 more\.$/,
  );
  const { message, details } = failure(PACKED, { columns: many });
  expect(message.length).toBeLessThan(200);
  expect([details.length, details.at(-1)?.trim()]).toEqual([32, 'and 4970 more']);
});

test('letter case is ignored only where it leaves one column', () => {
  const cased = columns({ Tenure: 'INTEGER', CHARGES: 'DOUBLE', charges: 'DOUBLE', x: 'FLOAT', X: 'FLOAT' });
  expect(bind(PACKED, { features: ['tenure', 'charges', 'x'], columns: cased }).inputs[0]?.columns).toEqual([
    'Tenure',
    'charges',
    'x',
  ]);
  expect(failure(PACKED, { features: ['tenure', 'Charges', 'x'], columns: cased })).toMatchObject({
    code: 'COLUMN_AMBIGUOUS',
    message: expect.stringContaining("'CHARGES' or the column 'charges'"),
  });
  const byName = { inputs: [input('Charges', [null])], outputs: [SCORE] };
  expect(failure(byName, { columns: cased }).code).toBe('COLUMN_AMBIGUOUS');
});

test('a feature named twice is refused, also in two spellings', () => {
  expect(failure(PACKED, { features: ['tenure', 'paid', 'TENURE'], columns: TABLE })).toMatchObject({
    code: 'SPEC_INVALID',
    message: expect.stringContaining("'tenure' twice"),
  });
});

const CLASSIFIER: ModelSignature = {
  inputs: [input('x', [null])],
  outputs: [
    { name: 'label', type: 'int64', shape: [null] },
    { name: 'probability', type: 'float32', shape: [null, 2], labels: ['no', 'yes'] },
    { name: 'embedding', type: 'float32', shape: [null, 3] },
    { name: 'odd[1]', type: 'float32', shape: [null, null] },
  ],
};
const outputs = (names?: Record<string, string>) =>
  bind(CLASSIFIER, {
    features: ['tenure'],
    columns: TABLE,
    ...(names === undefined ? {} : { outputs: names }),
  }).outputs;

test('all outputs are published under their own names, unless some are chosen', () => {
  const all = [
    { output: 'label', column: 'label', type: 'int64', shape: 'scalar' },
    { output: 'probability', column: 'probability', type: 'float32', shape: 'list', labels: ['no', 'yes'] },
    { output: 'embedding', column: 'embedding', type: 'float32', shape: 'list' },
    { output: 'odd[1]', column: 'odd[1]', type: 'float32', shape: 'list' },
  ];
  expect(outputs()).toEqual(all);
  expect(outputs({})).toEqual(all);
  expect(outputs({ embedding: 'e' })).toEqual([
    { output: 'embedding', column: 'e', type: 'float32', shape: 'list' },
  ]);
});

test('one element is chosen by its label, or by its index where there are no labels', () => {
  const element = { column: 'p', type: 'float32', shape: 'scalar' };
  expect(outputs({ 'probability[yes]': 'p' })).toEqual([
    { ...element, output: 'probability', element: 1, labels: ['no', 'yes'] },
  ]);
  expect(outputs({ 'embedding[2]': 'p' })).toEqual([{ ...element, output: 'embedding', element: 2 }]);
  expect(outputs({ 'odd[1]': 'p' })).toEqual([
    { output: 'odd[1]', column: 'p', type: 'float32', shape: 'list' },
  ]);
  const reversed: ModelSignature = {
    ...CLASSIFIER,
    outputs: [{ name: 'p', type: 'float32', shape: [null, 2], labels: [1, 0] }],
  };
  expect(
    bind(reversed, { features: ['tenure'], columns: TABLE, outputs: { 'p[0]': 'zero' } }).outputs[0]?.element,
  ).toBe(1);
});

test('an output that the model does not give is refused with those it gives', () => {
  for (const key of [
    'nope',
    'label[0]',
    'probability[maybe]',
    'probability[1]',
    'embedding[3]',
    'embedding[-1]',
    'embedding[1.0]',
    'odd[1][0]',
    'nope[0]',
    '[0]',
  ]) {
    const failed = failure(CLASSIFIER, { features: ['tenure'], columns: TABLE, outputs: { [key]: 'p' } });
    expect(failed.code).toBe('SPEC_INVALID');
    expect(failed.message).toContain('probability[yes]');
    expect(failed.message).toContain('embedding[0] to embedding[2]');
  }
});

test('two outputs under one name are refused, also in two spellings', () => {
  expect(
    failure(CLASSIFIER, {
      features: ['tenure'],
      columns: TABLE,
      outputs: { label: 'p', 'embedding[0]': 'P' },
    }).code,
  ).toBe('COLUMN_AMBIGUOUS');
});

test('an output that no column can hold does not stand in the way of the others', () => {
  const signature: ModelSignature = {
    ...CLASSIFIER,
    unusable: [{ name: 'all', type: 'seq(tensor(float))' }],
  };
  const refused = failure(signature, { features: ['tenure'], columns: TABLE });
  expect(refused).toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining("'all' is a seq(tensor(float))"),
    next: expect.stringContaining('label'),
  });
  expect(
    bind(signature, { features: ['tenure'], columns: TABLE, outputs: { label: 'l' } }).outputs,
  ).toHaveLength(1);
  for (const shape of [[], [null, 'H', 'W']]) {
    const odd: ModelSignature = { ...CLASSIFIER, outputs: [{ name: 'odd', type: 'float32', shape }, SCORE] };
    expect(failure(odd, { features: ['tenure'], columns: TABLE }).code).toBe('MODEL_UNSUPPORTED');
    expect(bind(odd, { features: ['tenure'], columns: TABLE, outputs: { score: 's' } }).outputs).toHaveLength(
      1,
    );
  }
});

test('an output of several fixed dimensions is one list for each record, of one place a single value', () => {
  const shaped = (shape: OutputSpec['shape']) =>
    bind(
      { ...CLASSIFIER, outputs: [{ name: 'y', type: 'float32', shape }] },
      { features: ['tenure'], columns: TABLE },
    ).outputs[0]?.shape;
  expect(shaped(['N', 2, 3])).toBe('list');
  expect(shaped(['N', 'T', 3])).toBe('list');
  expect(shaped(['N', 1, 1])).toBe('scalar');
});

test('a date that should feed a model is refused with what to do', () => {
  expect(failure(PACKED, { features: ['since', 'tenure', 'paid'], columns: TABLE })).toMatchObject({
    code: 'COLUMN_TYPE',
    next: expect.stringContaining('epoch(since)'),
  });
});
