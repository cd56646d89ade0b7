import { FieldCursor, MalformedError } from './protobuf.ts';

/**
 * What we need to know of an ONNX file, read from its bytes alone (field numbers: onnx/onnx.proto, IR version 14).
 * Nothing is evaluated; weights are stepped over.
 */
export interface OnnxModel {
  /** What callers feed: the graph's inputs without those that an initializer already gives. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** scikit-learn's ZipMap nodes whose result is an output of the graph, by that output's name. */
  readonly zipMaps: ReadonlyMap<string, ZipMap>;
}

export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType;
}

export type ValueType =
  /** `shape` null: the model does not say. `element`: number in TensorProto.DataType. */
  | {
      readonly kind: 'tensor';
      readonly element: number;
      readonly shape: readonly (number | string | null)[] | null;
    }
  /** Sequences, maps, optionals, sparse tensors: `text` is how ONNX writes the type. */
  | { readonly kind: 'other'; readonly text: string };

export interface ZipMap {
  /** The [N, K] float tensor behind the sequence of maps. */
  readonly scores: string;
  readonly labels: readonly (string | number)[];
}

/** Field numbers of the messages that are read or written here, as in onnx.proto. */
export const MODEL = { irVersion: 1, graph: 7, trainingInfo: 20, functions: 25 } as const;
export const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;
export const NODE = { input: 1, output: 2, opType: 4, attribute: 5, domain: 7 } as const;
export const ATTRIBUTE = {
  name: 1,
  int: 3,
  tensor: 5,
  graph: 6,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  type: 20,
  sparse: 22,
  sparses: 23,
} as const;
export const VALUE_INFO = { name: 1, type: 2 } as const;
export const TYPE = { tensor: 1, sequence: 4, map: 5, sparse: 8, optional: 9 } as const;
export const TENSOR_TYPE = { element: 1, shape: 2 } as const;
export const SHAPE = { dim: 1 } as const;
export const DIM = { value: 1, param: 2 } as const;
export const SPARSE_TENSOR = { values: 1, indices: 2 } as const;
export const FUNCTION = { node: 7, attribute: 11 } as const;
export const TRAINING = { initialization: 1, algorithm: 2 } as const;
export const ENTRY = { key: 1, value: 2 } as const;
export const TENSOR = {
  dims: 1,
  dataType: 2,
  name: 8,
  rawData: 9,
  externalData: 13,
  dataLocation: 14,
} as const;

/** float16 in TensorProto.DataType. */
export const HALF = 10;

/** Names of TensorProto.DataType by number, as ONNX writes them in lower case. */
export const DATA_TYPES: readonly string[] = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
  'float6e2m3',
  'float6e3m2',
];

/** Throws MalformedError. */
export function parseModel(bytes: Uint8Array): OnnxModel {
  let graph: Uint8Array | undefined;
  let irVersion = 0n;
  const model = new FieldCursor(bytes);
  while (model.next()) {
    if (model.number === MODEL.irVersion) irVersion = model.int();
    else if (model.number === MODEL.graph) {
      if (graph !== undefined) throw new MalformedError('it has more than one graph');
      graph = model.bytes();
    }
  }
  if (graph === undefined || irVersion <= 0n)
    throw new MalformedError('it has no graph and IR version, so it is not ONNX');
  return parseGraph(graph);
}

function parseGraph(bytes: Uint8Array): OnnxModel {
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initialized = new Set<string>();
  const zipMaps = new Map<string, ZipMap>();
  const graph = new FieldCursor(bytes);
  while (graph.next()) {
    if (graph.number === GRAPH.input) inputs.push(readValueInfo(graph.bytes()));
    else if (graph.number === GRAPH.output) outputs.push(readValueInfo(graph.bytes()));
    else if (graph.number === GRAPH.initializer) initialized.add(readText(graph.bytes(), TENSOR.name));
    else if (graph.number === GRAPH.node) {
      const zipMap = readZipMap(graph.bytes());
      if (zipMap !== null) zipMaps.set(zipMap.output, zipMap);
    }
  }
  const names = new Set(outputs.map((output) => output.name));
  for (const output of zipMaps.keys()) if (!names.has(output)) zipMaps.delete(output);
  if (outputs.length === 0) throw new MalformedError('its graph has no outputs');
  requireDistinct(inputs, 'inputs');
  requireDistinct(outputs, 'outputs');
  return { inputs: inputs.filter((input) => !initialized.has(input.name)), outputs, zipMaps };
}

function requireDistinct(values: readonly ValueInfo[], what: string): void {
  const seen = new Set<string>();
  for (const { name } of values) {
    if (name === '') throw new MalformedError(`one of its ${what} has no name`);
    if (seen.has(name)) throw new MalformedError(`two of its ${what} have the name '${name}'`);
    seen.add(name);
  }
}

/** The last occurrence counts, as in every protobuf reader. */
function readText(message: Uint8Array, number: number): string {
  const cursor = new FieldCursor(message);
  let text = '';
  while (cursor.next()) if (cursor.number === number) text = cursor.text();
  return text;
}

function readValueInfo(message: Uint8Array): ValueInfo {
  const cursor = new FieldCursor(message);
  let name = '';
  let type: ValueType = { kind: 'other', text: 'unknown' };
  while (cursor.next()) {
    if (cursor.number === VALUE_INFO.name) name = cursor.text();
    else if (cursor.number === VALUE_INFO.type) type = readType(cursor.bytes());
  }
  return { name, type };
}

function readType(message: Uint8Array): ValueType {
  const cursor = new FieldCursor(message);
  while (cursor.next()) if (cursor.number === TYPE.tensor) return readTensorType(cursor.bytes());
  return { kind: 'other', text: typeText(message, 0) };
}

/** ONNX's way to write a type: seq(map(string,tensor(float))). Deeper nesting than exporters write is cut. */
function typeText(message: Uint8Array, depth: number): string {
  if (depth > 8) return '...';
  const cursor = new FieldCursor(message);
  while (cursor.next()) {
    if (cursor.number === TYPE.tensor || cursor.number === TYPE.sparse) {
      const tensor = readTensorType(cursor.bytes());
      return `${cursor.number === TYPE.sparse ? 'sparse_' : ''}tensor(${DATA_TYPES[tensor.element] ?? tensor.element})`;
    }
    if (cursor.number === TYPE.sequence) return `seq(${innerType(cursor.bytes(), 1, depth)})`;
    if (cursor.number === TYPE.optional) return `optional(${innerType(cursor.bytes(), 1, depth)})`;
    if (cursor.number === TYPE.map)
      return `map(${DATA_TYPES[readInt(cursor.bytes(), 1)] ?? '?'},${innerType(cursor.bytes(), 2, depth)})`;
  }
  return 'unknown';
}

function innerType(message: Uint8Array, number: number, depth: number): string {
  const cursor = new FieldCursor(message);
  while (cursor.next()) if (cursor.number === number) return typeText(cursor.bytes(), depth + 1);
  return 'unknown';
}

function readInt(message: Uint8Array, number: number): number {
  const cursor = new FieldCursor(message);
  let value = 0n;
  while (cursor.next()) if (cursor.number === number) value = cursor.int();
  return Number(value);
}

function readTensorType(message: Uint8Array): Extract<ValueType, { kind: 'tensor' }> {
  const cursor = new FieldCursor(message);
  let element = 0;
  let shape: (number | string | null)[] | null = null;
  while (cursor.next()) {
    if (cursor.number === TENSOR_TYPE.element) element = Number(cursor.int());
    else if (cursor.number === TENSOR_TYPE.shape) shape = readShape(cursor.bytes());
  }
  return { kind: 'tensor', element, shape };
}

function readShape(message: Uint8Array): (number | string | null)[] {
  const shape: (number | string | null)[] = [];
  const cursor = new FieldCursor(message);
  while (cursor.next()) if (cursor.number === SHAPE.dim) shape.push(readDim(cursor.bytes()));
  return shape;
}

/** Exporters write "free" as no value, as a name, or as 0 or -1. */
function readDim(message: Uint8Array): number | string | null {
  const cursor = new FieldCursor(message);
  let dim: number | string | null = null;
  while (cursor.next()) {
    if (cursor.number === DIM.value) dim = Number(cursor.int());
    else if (cursor.number === DIM.param) dim = cursor.text();
  }
  return dim === '' || (typeof dim === 'number' && dim <= 0) ? null : dim;
}

function readZipMap(node: Uint8Array): (ZipMap & { readonly output: string }) | null {
  const cursor = new FieldCursor(node);
  let opType = '';
  let domain = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: Uint8Array[] = [];
  while (cursor.next()) {
    if (cursor.number === NODE.opType) opType = cursor.text();
    else if (cursor.number === NODE.domain) domain = cursor.text();
    else if (cursor.number === NODE.input) inputs.push(cursor.text());
    else if (cursor.number === NODE.output) outputs.push(cursor.text());
    else if (cursor.number === NODE.attribute) attributes.push(cursor.bytes());
  }
  if (opType !== 'ZipMap' || domain !== 'ai.onnx.ml') return null;
  const [scores] = inputs;
  const [output] = outputs;
  if (scores === undefined || output === undefined)
    throw new MalformedError('its ZipMap has no input or no output');
  const labels: (string | number)[] = [];
  for (const attribute of attributes) readLabels(attribute, labels);
  if (labels.length === 0) throw new MalformedError('its ZipMap names no classes');
  return { output, scores, labels };
}

/** classlabels_strings or classlabels_int64s; whole numbers that a JavaScript number cannot hold become text. */
function readLabels(attribute: Uint8Array, into: (string | number)[]): void {
  const name = readText(attribute, ATTRIBUTE.name);
  if (!name.startsWith('classlabels_')) return;
  const cursor = new FieldCursor(attribute);
  const ints: bigint[] = [];
  while (cursor.next()) {
    if (cursor.number === ATTRIBUTE.strings) into.push(cursor.text());
    else if (cursor.number === ATTRIBUTE.ints) cursor.ints(ints);
  }
  for (const value of ints) {
    const number = Number(value);
    into.push(Number.isSafeInteger(number) ? number : value.toString());
  }
}
