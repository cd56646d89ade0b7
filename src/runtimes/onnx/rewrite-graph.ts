import {
  ATTRIBUTE,
  DIM,
  GRAPH,
  HALF,
  MODEL,
  NODE,
  type OnnxModel,
  SHAPE,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
  type ValueInfo,
} from './onnx-model.ts';
import { bytesField, concat, FieldCursor, intField, type Piece, textField } from './protobuf.ts';

/**
 * Changes an ONNX graph on its bytes, so that columns go in and tensors come out. Everything that is not changed, fields
 * we do not know included, is handed on byte for byte.
 *
 * A model that has imported none of ONNX's own operators needs no import for ours: ONNX Runtime takes the latest.
 *
 * - A ZipMap whose result is an output (scikit-learn's default: a sequence of N maps from class to score, an object per
 *   row) becomes an Identity: the output keeps its name and is the float tensor [N, K] behind the maps.
 * - For each input in `byColumns`, a tensor [N, F], the graph gets an input [F, N] instead and a Transpose that
 *   makes the old one of it: records come by columns, and ONNX Runtime turns them faster than JavaScript packs them. For a
 *   tensor [N, A, B, ...], F is the product of A, B, ..., and a Reshape follows.
 * - Inputs and outputs of float16 become float32, with a Cast behind or before them.
 */
export interface RewrittenModel {
  readonly bytes: Uint8Array;
  /** Name of the input that stands for one of the model, where there is such. */
  readonly inputNames: ReadonlyMap<string, string>;
  readonly outputNames: ReadonlyMap<string, string>;
}

/** `bytes` must be what `model` was parsed from; inputs in `byColumns` have fixed dimensions behind the second. */
export function rewriteGraph(
  bytes: Uint8Array,
  model: OnnxModel,
  byColumns: readonly string[],
): RewrittenModel {
  const half = ({ type }: ValueInfo): boolean => type.kind === 'tensor' && type.element === HALF;
  const inputs = new Map<string, NewInput>();
  for (const input of model.inputs) {
    const packed = byColumns.includes(input.name);
    if (!packed && !half(input)) continue;
    const name = unusedName(bytes, `${input.name}.${packed ? 'columns' : 'float32'}`);
    inputs.set(input.name, { name, packed, half: half(input), inner: packed ? innerDims(input) : [] });
  }
  const outputNames = new Map(
    model.outputs.filter(half).map(({ name }) => [name, unusedName(bytes, `${name}.published`)]),
  );
  const inputNames = new Map([...inputs].map(([old, { name }]) => [old, name]));
  if (model.zipMaps.size === 0 && inputs.size === 0 && outputNames.size === 0)
    return { bytes, inputNames, outputNames };
  const pieces: Piece[] = [];
  const cursor = new FieldCursor(bytes);
  while (cursor.next()) {
    pieces.push(
      cursor.number === MODEL.graph
        ? bytesField(MODEL.graph, ...graphPieces(cursor.bytes(), model, inputs, outputNames))
        : cursor.raw(),
    );
  }
  return { bytes: concat(pieces), inputNames, outputNames };
}

interface NewInput {
  readonly name: string;
  /** [F, N], and float32 in place of float16. */
  readonly packed: boolean;
  readonly half: boolean;
  /** Where packed: the dimensions of the old input behind the first. */
  readonly inner: readonly (number | null)[];
}

function innerDims({ type }: ValueInfo): (number | null)[] {
  const shape = type.kind === 'tensor' ? (type.shape ?? []) : [];
  return shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : null));
}

function graphPieces(
  graph: Uint8Array,
  model: OnnxModel,
  inputs: ReadonlyMap<string, NewInput>,
  outputNames: ReadonlyMap<string, string>,
): Piece[] {
  const pieces: Piece[] = [];
  for (const [old, input] of inputs) pieces.push(...stepsTo(old, input));
  const cursor = new FieldCursor(graph);
  while (cursor.next()) {
    if (cursor.number === GRAPH.node) pieces.push(withoutZipMap(cursor, model));
    else if (cursor.number === GRAPH.input) pieces.push(replacedInput(cursor, inputs));
    else if (cursor.number === GRAPH.output) pieces.push(replacedOutput(cursor, model, outputNames));
    else pieces.push(cursor.raw());
  }
  for (const [old, name] of outputNames) pieces.push(bytesField(GRAPH.node, ...castNode(old, name, FLOAT)));
  return pieces;
}

const FLOAT = 1;
const INT64 = 7;

/** Nodes that make the old input of the new one, and the constant that they need. */
function stepsTo(old: string, { name, packed, half, inner }: NewInput): Piece[] {
  const steps: ((from: string, to: string) => Piece[])[] = [];
  const constants: Piece[] = [];
  if (packed) steps.push(transposeNode);
  if (packed && inner.length > 1) {
    const shape = `${name}.shape`;
    constants.push(bytesField(GRAPH.initializer, ...shapeTensor(shape, inner)));
    steps.push((from, to) => [
      textField(NODE.input, from),
      textField(NODE.input, shape),
      textField(NODE.output, to),
      textField(NODE.opType, 'Reshape'),
    ]);
  }
  if (half) steps.push((from, to) => castNode(from, to, HALF));
  // Names that begin with an unused one are unused.
  const nodes = steps.map((step, at) => {
    const from = at === 0 ? name : `${name}.${at}`;
    return bytesField(GRAPH.node, ...step(from, at === steps.length - 1 ? old : `${name}.${at + 1}`));
  });
  return [...constants, ...nodes];
}

/** The records' dimension is what is left. */
function shapeTensor(name: string, inner: readonly (number | null)[]): Piece[] {
  const dims = BigInt64Array.from([-1, ...inner.map((dim) => dim ?? 1)], BigInt);
  return [
    intField(TENSOR.dims, dims.length),
    intField(TENSOR.dataType, INT64),
    textField(TENSOR.name, name),
    bytesField(TENSOR.rawData, new Uint8Array(dims.buffer)),
  ];
}

function withoutZipMap(node: FieldCursor, model: OnnxModel): Piece {
  if (model.zipMaps.size === 0) return node.raw();
  const cursor = new FieldCursor(node.bytes());
  while (cursor.next()) {
    if (cursor.number !== NODE.output) continue;
    const output = cursor.text();
    const zipMap = model.zipMaps.get(output);
    if (zipMap === undefined) continue;
    return bytesField(
      GRAPH.node,
      textField(NODE.input, zipMap.scores),
      textField(NODE.output, output),
      textField(NODE.opType, 'Identity'),
    );
  }
  return node.raw();
}

function replacedOutput(
  output: FieldCursor,
  model: OnnxModel,
  outputNames: ReadonlyMap<string, string>,
): Piece {
  const name = nameOf(output.bytes());
  const newName = outputNames.get(name);
  if (newName !== undefined) return bytesField(GRAPH.output, ...renamed(output.bytes(), newName, floatType));
  const zipMap = model.zipMaps.get(name);
  if (zipMap === undefined) return output.raw();
  const dims = [bytesField(SHAPE.dim), bytesField(SHAPE.dim, intField(DIM.value, zipMap.labels.length))];
  const tensor = bytesField(
    TYPE.tensor,
    intField(TENSOR_TYPE.element, 1),
    bytesField(TENSOR_TYPE.shape, ...dims),
  );
  return bytesField(GRAPH.output, textField(VALUE_INFO.name, name), bytesField(VALUE_INFO.type, tensor));
}

function replacedInput(input: FieldCursor, inputs: ReadonlyMap<string, NewInput>): Piece {
  const replacement = inputs.get(nameOf(input.bytes()));
  if (replacement === undefined) return input.raw();
  const { name, packed, half, inner } = replacement;
  return bytesField(
    GRAPH.input,
    ...renamed(input.bytes(), name, (tensor) => {
      const typed = half ? floatType(tensor) : rawFields(tensor);
      return packed
        ? mapFields(concat(typed), TENSOR_TYPE.shape, (shape) => columnsShape(shape, inner))
        : typed;
    }),
  );
}

/** A ValueInfoProto with another name and another tensor type. */
function renamed(valueInfo: Uint8Array, name: string, change: (tensor: Uint8Array) => Piece[]): Piece[] {
  const pieces: Piece[] = [textField(VALUE_INFO.name, name)];
  const cursor = new FieldCursor(valueInfo);
  while (cursor.next()) {
    if (cursor.number === VALUE_INFO.name) continue;
    pieces.push(
      cursor.number === VALUE_INFO.type
        ? bytesField(VALUE_INFO.type, ...mapFields(cursor.bytes(), TYPE.tensor, change))
        : cursor.raw(),
    );
  }
  return pieces;
}

/** [N, F] to [F, N], [N, A, B, ...] to [A * B * ..., N]. */
function columnsShape(shape: Uint8Array, inner: readonly (number | null)[]): Piece[] {
  const [records, ...others] = rawFields(shape);
  if (records === undefined || others.length <= 1)
    return [...others, ...(records === undefined ? [] : [records])];
  const width = inner.reduce<number>((all, dim) => all * (dim ?? 1), 1);
  return [bytesField(SHAPE.dim, intField(DIM.value, width)), records];
}

function floatType(tensor: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const cursor = new FieldCursor(tensor);
  while (cursor.next())
    pieces.push(cursor.number === TENSOR_TYPE.element ? intField(TENSOR_TYPE.element, FLOAT) : cursor.raw());
  return pieces;
}

function rawFields(message: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const cursor = new FieldCursor(message);
  while (cursor.next()) pieces.push(cursor.raw());
  return pieces;
}

function mapFields(message: Uint8Array, number: number, change: (field: Uint8Array) => Piece[]): Piece[] {
  const pieces: Piece[] = [];
  const cursor = new FieldCursor(message);
  while (cursor.next())
    pieces.push(cursor.number === number ? bytesField(number, ...change(cursor.bytes())) : cursor.raw());
  return pieces;
}

function transposeNode(from: string, to: string): Piece[] {
  const attributeTypeInts = 7;
  const perm = bytesField(
    NODE.attribute,
    textField(ATTRIBUTE.name, 'perm'),
    intField(ATTRIBUTE.ints, 1),
    intField(ATTRIBUTE.ints, 0),
    intField(ATTRIBUTE.type, attributeTypeInts),
  );
  return [textField(NODE.input, from), textField(NODE.output, to), textField(NODE.opType, 'Transpose'), perm];
}

function castNode(from: string, to: string, element: number): Piece[] {
  const attributeTypeInt = 2;
  const attribute = bytesField(
    NODE.attribute,
    textField(ATTRIBUTE.name, 'to'),
    intField(ATTRIBUTE.int, element),
    intField(ATTRIBUTE.type, attributeTypeInt),
  );
  return [textField(NODE.input, from), textField(NODE.output, to), textField(NODE.opType, 'Cast'), attribute];
}

function nameOf(valueInfo: Uint8Array): string {
  const cursor = new FieldCursor(valueInfo);
  let name = '';
  while (cursor.next()) if (cursor.number === VALUE_INFO.name) name = cursor.text();
  return name;
}

/** A name that stands nowhere in the file, hence in no graph inside it. */
function unusedName(bytes: Uint8Array, wanted: string): string {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let name = wanted;
  while (haystack.includes(name)) name += '_';
  return name;
}
