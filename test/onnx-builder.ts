import { bytesField, concat, intField, type Piece, textField } from '../src/runtimes/onnx/protobuf.ts';

/**
 * Small ONNX models for tests and benchmarks, written as protobuf (onnx/onnx.proto). Each function gives the same bytes
 * every time. `buildModel` with `node`, `tensor`, `value` and `attr*` builds others.
 */

export type OnnxType = keyof typeof ELEMENT_NUMBER;

const ELEMENT_NUMBER = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  bfloat16: 16,
} as const;

export type Dim = number | string | null;

/** A graph's input or output. */
export interface ValueSpec {
  readonly name: string;
  /** A TypeProto of another kind than a tensor can be given as bytes. */
  readonly type: OnnxType | Uint8Array;
  /** Default [null], that is [N]. */
  readonly shape?: readonly Dim[] | null;
}

export interface GraphSpec {
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
  readonly nodes: readonly Piece[];
  readonly initializers?: readonly Piece[];
  /** More fields of the GraphProto. */
  readonly extra?: readonly Piece[];
}

export interface ModelSpec extends GraphSpec {
  /** Default: ONNX's own operators at 17 and scikit-learn's at 3. */
  readonly opsets?: Readonly<Record<string, number>>;
  /** More fields of the ModelProto. */
  readonly modelExtra?: readonly Piece[];
}

export function buildModel(spec: ModelSpec): Uint8Array {
  const opsets = Object.entries(spec.opsets ?? { '': 17, 'ai.onnx.ml': 3 });
  return concat([
    intField(1, 8),
    textField(2, 'batchwright-test'),
    bytesField(7, ...graph(spec)),
    ...opsets.map(([domain, version]) => bytesField(8, textField(1, domain), intField(2, version))),
    ...(spec.modelExtra ?? []),
  ]);
}

/** Fields of a GraphProto. */
export function graph(spec: GraphSpec): Piece[] {
  return [
    ...spec.nodes.map((piece) => bytesField(1, piece)),
    textField(2, 'graph'),
    ...(spec.initializers ?? []).map((piece) => bytesField(5, piece)),
    ...spec.inputs.map((input) => bytesField(11, ...valueInfo(input))),
    ...spec.outputs.map((output) => bytesField(12, ...valueInfo(output))),
    ...(spec.extra ?? []),
  ];
}

function valueInfo({ name, type, shape = [null] }: ValueSpec): Piece[] {
  return [textField(1, name), bytesField(2, typeof type === 'string' ? tensorType(type, shape) : type)];
}

/** A TypeProto. */
export function tensorType(type: OnnxType, shape: readonly Dim[] | null): Piece {
  const dims = shape?.map((dim) =>
    bytesField(1, ...(dim === null ? [] : [typeof dim === 'number' ? intField(1, dim) : textField(2, dim)])),
  );
  return bytesField(
    1,
    intField(1, ELEMENT_NUMBER[type]),
    ...(dims === undefined ? [] : [bytesField(2, ...dims)]),
  );
}

/** The TypeProto of what a ZipMap gives: a sequence of maps from class to float. */
export function sequenceOfMaps(key: 'int64' | 'string'): Piece {
  const map = bytesField(5, intField(1, ELEMENT_NUMBER[key]), bytesField(2, tensorType('float32', null)));
  return bytesField(4, bytesField(1, map));
}

export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Piece[] = [],
  domain = '',
): Piece {
  return concat([
    ...inputs.map((input) => textField(1, input)),
    ...outputs.map((output) => textField(2, output)),
    textField(4, opType),
    ...attributes.map((attribute) => bytesField(5, attribute)),
    ...(domain === '' ? [] : [textField(7, domain)]),
  ]);
}

export const attrInt = (name: string, value: number): Piece =>
  concat([textField(1, name), intField(3, value), intField(20, 2)]);
export const attrText = (name: string, value: string): Piece =>
  concat([textField(1, name), textField(4, value), intField(20, 3)]);
export const attrTensor = (name: string, value: Piece): Piece =>
  concat([textField(1, name), bytesField(5, value), intField(20, 4)]);
export const attrGraph = (name: string, spec: GraphSpec): Piece =>
  concat([textField(1, name), bytesField(6, ...graph(spec)), intField(20, 5)]);
export const attrTexts = (name: string, values: readonly string[]): Piece =>
  concat([textField(1, name), ...values.map((value) => textField(9, value)), intField(20, 8)]);

export function attrFloats(name: string, values: readonly number[]): Piece {
  return concat([textField(1, name), bytesField(7, bytesOf(Float32Array.from(values))), intField(20, 6)]);
}

export function attrInts(name: string, values: readonly number[]): Piece {
  return concat([textField(1, name), ...values.map((value) => intField(8, value)), intField(20, 7)]);
}

type Numbers = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** A TensorProto with its values in raw_data. */
export function tensor(name: string, type: OnnxType, dims: readonly number[], values: Numbers): Piece {
  return concat([
    ...dims.map((dim) => intField(1, dim)),
    intField(2, ELEMENT_NUMBER[type]),
    textField(8, name),
    bytesField(9, bytesOf(values)),
  ]);
}

/** A float32 TensorProto whose values lie in another file. */
export function externalTensor(
  name: string,
  dims: readonly number[],
  entries: Readonly<Record<string, string>>,
): Piece {
  return concat([
    ...dims.map((dim) => intField(1, dim)),
    intField(2, ELEMENT_NUMBER.float32),
    textField(8, name),
    ...Object.entries(entries).map(([key, value]) => bytesField(13, textField(1, key), textField(2, value))),
    intField(14, 1),
  ]);
}

function bytesOf(values: Numbers): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** features [N, 20] float32 -> score [N, 1] in (0, 1): 20-64-32-1 with ReLU and a sigmoid, seeded weights. */
export function mlpModel(): Uint8Array {
  const random = seededNumbers(1);
  const weights = (name: string, rows: number, columns: number): Piece => {
    const values = Float32Array.from(
      { length: rows * columns },
      () => (random() - 0.5) * Math.sqrt(8 / rows),
    );
    return tensor(name, 'float32', rows === 1 ? [columns] : [rows, columns], values);
  };
  return buildModel({
    inputs: [{ name: 'features', type: 'float32', shape: ['N', 20] }],
    outputs: [{ name: 'score', type: 'float32', shape: ['N', 1] }],
    initializers: [
      weights('w1', 20, 64),
      weights('b1', 1, 64),
      weights('w2', 64, 32),
      weights('b2', 1, 32),
      weights('w3', 32, 1),
      weights('b3', 1, 1),
    ],
    nodes: [
      node('Gemm', ['features', 'w1', 'b1'], ['h1']),
      node('Relu', ['h1'], ['r1']),
      node('Gemm', ['r1', 'w2', 'b2'], ['h2']),
      node('Relu', ['h2'], ['r2']),
      node('Gemm', ['r2', 'w3', 'b3'], ['h3']),
      node('Sigmoid', ['h3'], ['score']),
    ],
  });
}

/** features [N, 20] float32 -> score [N, 1]: the sum of `trees` full trees with thresholds in (0, 1), seeded. */
export function treesModel(trees = 100, depth = 6): Uint8Array {
  const random = seededNumbers(2);
  const inner = 2 ** depth - 1;
  const all = 2 ** (depth + 1) - 1;
  const nodes = {
    tree: [] as number[],
    id: [] as number[],
    feature: [] as number[],
    value: [] as number[],
    mode: [] as string[],
    yes: [] as number[],
    no: [] as number[],
  };
  const leaves = { tree: [] as number[], id: [] as number[], weight: [] as number[] };
  for (let tree = 0; tree < trees; tree++) {
    for (let id = 0; id < all; id++) {
      const branch = id < inner;
      nodes.tree.push(tree);
      nodes.id.push(id);
      nodes.feature.push(branch ? Math.floor(random() * 20) : 0);
      nodes.value.push(branch ? random() : 0);
      nodes.mode.push(branch ? 'BRANCH_LEQ' : 'LEAF');
      nodes.yes.push(branch ? 2 * id + 1 : 0);
      nodes.no.push(branch ? 2 * id + 2 : 0);
      if (branch) continue;
      leaves.tree.push(tree);
      leaves.id.push(id);
      leaves.weight.push((random() - 0.5) / trees);
    }
  }
  const attributes = [
    attrInt('n_targets', 1),
    attrInts('nodes_treeids', nodes.tree),
    attrInts('nodes_nodeids', nodes.id),
    attrInts('nodes_featureids', nodes.feature),
    attrFloats('nodes_values', nodes.value),
    attrTexts('nodes_modes', nodes.mode),
    attrInts('nodes_truenodeids', nodes.yes),
    attrInts('nodes_falsenodeids', nodes.no),
    attrInts('target_treeids', leaves.tree),
    attrInts('target_nodeids', leaves.id),
    attrInts(
      'target_ids',
      leaves.id.map(() => 0),
    ),
    attrFloats('target_weights', leaves.weight),
  ];
  return buildModel({
    inputs: [{ name: 'features', type: 'float32', shape: ['N', 20] }],
    outputs: [{ name: 'score', type: 'float32', shape: ['N', 1] }],
    nodes: [node('TreeEnsembleRegressor', ['features'], ['score'], attributes, 'ai.onnx.ml')],
  });
}

/** x [N] -> y [N], the same values. */
export function identityModel(type: OnnxType = 'float32', shape: readonly Dim[] = ['N']): Uint8Array {
  return buildModel({
    inputs: [{ name: 'x', type, shape }],
    outputs: [{ name: 'y', type, shape }],
    nodes: [node('Identity', ['x'], ['y'])],
  });
}

/** features [N, weights.length] -> y [N, 1] = features . weights + bias, in float32 or float64. */
export function linearModel(
  weights: readonly number[],
  bias = 0,
  type: 'float32' | 'float64' = 'float32',
): Uint8Array {
  const values = type === 'float32' ? Float32Array : Float64Array;
  return buildModel({
    inputs: [{ name: 'features', type, shape: ['N', weights.length] }],
    outputs: [{ name: 'y', type, shape: ['N', 1] }],
    initializers: [
      tensor('w', type, [weights.length, 1], values.from(weights)),
      tensor('b', type, [1], values.from([bias])),
    ],
    nodes: [node('MatMul', ['features', 'w'], ['product']), node('Add', ['product', 'b'], ['y'])],
  });
}

/** a [N], b [N] -> sum [N] = a + 10 b, float32. */
export function twoInputModel(): Uint8Array {
  return buildModel({
    inputs: [
      { name: 'a', type: 'float32' },
      { name: 'b', type: 'float32', shape: [null, 1] },
    ],
    outputs: [{ name: 'sum', type: 'float32' }],
    initializers: [
      tensor('ten', 'float32', [1], Float32Array.of(10)),
      tensor('flat', 'int64', [1], BigInt64Array.of(-1n)),
    ],
    nodes: [
      node('Reshape', ['b', 'flat'], ['b1']),
      node('Mul', ['b1', 'ten'], ['b10']),
      node('Add', ['a', 'b10'], ['sum']),
    ],
  });
}

/** x [N, inputs] float32 -> y [N, K] = x[:, 0] * [1 .. K]; x is packed from `inputs` columns. */
export function listModel(width: number, inputs = 2): Uint8Array {
  const weights = Float32Array.from({ length: inputs * width }, (_, i) => (i < width ? i + 1 : 0));
  return buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', inputs] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', width] }],
    initializers: [tensor('w', 'float32', [inputs, width], weights)],
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
  });
}

/** x [N, 2] float32 -> positive [N] bool, rounded [N] int64, x [N, 2] as text [N, 2] string: one output of each kind. */
export function mixedOutputsModel(): Uint8Array {
  return buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    outputs: [
      { name: 'positive', type: 'bool' },
      { name: 'rounded', type: 'int64' },
      { name: 'text', type: 'string', shape: [null, 2] },
    ],
    initializers: [
      tensor('zero', 'int64', [], BigInt64Array.of(0n)),
      tensor('none', 'float32', [], Float32Array.of(0)),
    ],
    nodes: [
      node('Gather', ['x', 'zero'], ['first'], [attrInt('axis', 1)]),
      node('Greater', ['first', 'none'], ['positive']),
      node('Round', ['first'], ['round']),
      node('Cast', ['round'], ['rounded'], [attrInt('to', 7)]),
      node('Cast', ['x'], ['text'], [attrInt('to', 8)]),
    ],
  });
}

/** city [N] string -> country [N] string: bern and basel are ch, lyon is fr, others are '?'. */
export function stringModel(): Uint8Array {
  const attributes = [
    attrTexts('keys_strings', ['bern', 'basel', 'lyon']),
    attrTexts('values_strings', ['ch', 'ch', 'fr']),
    attrText('default_string', '?'),
  ];
  return buildModel({
    inputs: [{ name: 'city', type: 'string' }],
    outputs: [{ name: 'country', type: 'string' }],
    nodes: [node('LabelEncoder', ['city'], ['country'], attributes, 'ai.onnx.ml')],
  });
}

/**
 * features [N, 2] float32 -> label [N] int64 or string, probability: a sequence of maps from class to score, as
 * scikit-learn's exporter writes it. Class 1 has the probability sigmoid(features[0] - features[1]).
 */
export function zipMapModel(labels: readonly [number, number] | readonly [string, string]): Uint8Array {
  const strings = typeof labels[0] === 'string';
  const classes = (prefix: string): Piece =>
    strings
      ? attrTexts(`${prefix}_strings`, labels as readonly string[])
      : attrInts(`${prefix}_${prefix === 'classlabels' ? 'ints' : 'int64s'}`, labels as readonly number[]);
  const classifier = [
    attrFloats('coefficients', [-1, 1, 1, -1]),
    attrFloats('intercepts', [0, 0]),
    attrText('post_transform', 'LOGISTIC'),
    classes('classlabels'),
  ];
  const zip = strings
    ? attrTexts('classlabels_strings', labels as readonly string[])
    : attrInts('classlabels_int64s', labels as readonly number[]);
  return buildModel({
    inputs: [{ name: 'features', type: 'float32', shape: ['N', 2] }],
    outputs: [
      { name: 'label', type: strings ? 'string' : 'int64' },
      { name: 'probability', type: sequenceOfMaps(strings ? 'string' : 'int64') },
    ],
    // Only scikit-learn's operators: ONNX's own need not be imported then.
    opsets: { 'ai.onnx.ml': 1 },
    nodes: [
      node('LinearClassifier', ['features'], ['label', 'scores'], classifier, 'ai.onnx.ml'),
      node('ZipMap', ['scores'], ['probability'], [zip], 'ai.onnx.ml'),
    ],
  });
}

/** An operator that nobody has: y = Frobnicate(x). */
export function unknownOperatorModel(): Uint8Array {
  return buildModel({
    inputs: [{ name: 'x', type: 'float32' }],
    outputs: [{ name: 'y', type: 'float32' }],
    opsets: { '': 17, 'com.example': 1 },
    nodes: [node('Frobnicate', ['x'], ['y'], [], 'com.example')],
  });
}

/*
 * Models that are well behaved, x [N] int64 -> y [N] float32 = x, except for the one value `poison`.
 */

/** Refuses the whole batch that the poison is in: ONNX Runtime's integer Div says "Integer division by zero". */
export function refusingModel(poison: number): Uint8Array {
  return poisonModel(poison, [
    node('Where', ['bad', 'c0', 'c1'], ['divisor']),
    node('Div', ['x', 'divisor'], ['result']),
  ]);
}

/**
 * Kills its process with SIGFPE: ONNX Runtime guards against dividing by 0, not against INT64_MIN / -1. On x86-64 only:
 * other processors do not trap it.
 */
export function crashingModel(poison: number): Uint8Array {
  return poisonModel(poison, [
    node('Where', ['bad', 'least', 'x'], ['dividend']),
    node('Where', ['bad', 'minus', 'c1'], ['divisor']),
    node('Div', ['dividend', 'divisor'], ['result']),
  ]);
}

/** Never comes back: a Loop of 2^63 - 1 turns, at full speed and in constant memory. */
export function hangingModel(poison: number): Uint8Array {
  const scalar = (name: string, type: OnnxType): ValueSpec => ({ name, type, shape: [] });
  const body: GraphSpec = {
    inputs: [scalar('turn', 'int64'), scalar('goOn', 'bool'), scalar('before', 'int64')],
    outputs: [scalar('goOnStill', 'bool'), scalar('after', 'int64')],
    nodes: [node('Identity', ['goOn'], ['goOnStill']), node('Add', ['before', 'turn'], ['after'])],
  };
  return poisonModel(poison, [
    node('Where', ['bad', 'most', 'c1'], ['turnsEach']),
    node('ReduceMax', ['turnsEach'], ['turns'], [attrInt('keepdims', 0)]),
    node('Loop', ['turns', 'true', 'c0'], ['sum'], [attrGraph('body', body)]),
    node('Mul', ['sum', 'c0'], ['nothing']),
    node('Add', ['x', 'nothing'], ['result']),
  ]);
}

/** Answers for every record but the poison: y is shorter than x. */
export function droppingModel(poison: number): Uint8Array {
  return poisonModel(poison, [
    node('Not', ['bad'], ['good']),
    node('Compress', ['x', 'good'], ['result'], [attrInt('axis', 0)]),
  ]);
}

/** Needs 2^44 bytes for the poison: more than a process can have on any machine without special settings. */
export function greedyModel(poison: number): Uint8Array {
  return poisonModel(poison, [
    node('Where', ['bad', 'huge', 'c1'], ['sizes']),
    node('ReduceMax', ['sizes'], ['size'], [attrInt('keepdims', 1)]),
    node(
      'ConstantOfShape',
      ['size'],
      ['many'],
      [attrTensor('value', tensor('', 'int64', [1], BigInt64Array.of(0n)))],
    ),
    node('ReduceMax', ['many'], ['nothing'], [attrInt('keepdims', 0)]),
    node('Add', ['x', 'nothing'], ['result']),
  ]);
}

function poisonModel(poison: number, nodes: readonly Piece[]): Uint8Array {
  const constant = (name: string, value: bigint): Piece => tensor(name, 'int64', [], BigInt64Array.of(value));
  return buildModel({
    inputs: [{ name: 'x', type: 'int64', shape: ['N'] }],
    outputs: [{ name: 'y', type: 'float32', shape: [null] }],
    initializers: [
      constant('poison', BigInt(poison)),
      constant('c0', 0n),
      constant('c1', 1n),
      constant('minus', -1n),
      constant('least', -(2n ** 63n)),
      constant('most', 2n ** 63n - 1n),
      constant('huge', 2n ** 41n),
      tensor('true', 'bool', [], Uint8Array.of(1)),
    ],
    nodes: [
      node('Equal', ['x', 'poison'], ['bad']),
      ...nodes,
      node('Cast', ['result'], ['y'], [attrInt('to', 1)]),
    ],
  });
}

/** x [N, width] -> y [N, 1] = x · w, with `w` in the file `location` beside the model: `width` float32. */
export function externalDataModel(location: string, width: number): Uint8Array {
  return buildModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['N', width] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    initializers: [externalTensor('w', [width, 1], { location, offset: '0', length: String(4 * width) })],
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
  });
}
