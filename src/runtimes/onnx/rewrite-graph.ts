import {
  ATTRIBUTE,
  DIM,
  GRAPH,
  MODEL,
  NODE,
  type OnnxModel,
  SHAPE,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
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
 * - For each input in `byColumns`, a 2-D tensor [N, F], the graph gets an input [F, N] instead and a Transpose that
 *   makes the old one of it: records come by columns, and ONNX Runtime turns them faster than JavaScript packs them.
 */
export interface RewrittenModel {
  readonly bytes: Uint8Array;
  /** Name of the [F, N] input by the name of the input it stands for. */
  readonly columnInputs: ReadonlyMap<string, string>;
}

/** `bytes` must be what `model` was parsed from. */
export function rewriteGraph(
  bytes: Uint8Array,
  model: OnnxModel,
  byColumns: readonly string[],
): RewrittenModel {
  const columnInputs = new Map(byColumns.map((name) => [name, unusedName(bytes, `${name}.columns`)]));
  if (model.zipMaps.size === 0 && columnInputs.size === 0) return { bytes, columnInputs };
  const pieces: Piece[] = [];
  const cursor = new FieldCursor(bytes);
  while (cursor.next()) {
    pieces.push(
      cursor.number === MODEL.graph
        ? bytesField(MODEL.graph, ...graphPieces(cursor.bytes(), model, columnInputs))
        : cursor.raw(),
    );
  }
  return { bytes: concat(pieces), columnInputs };
}

function graphPieces(
  graph: Uint8Array,
  model: OnnxModel,
  columnInputs: ReadonlyMap<string, string>,
): Piece[] {
  const pieces: Piece[] = [];
  for (const [input, columns] of columnInputs)
    pieces.push(bytesField(GRAPH.node, ...transposeNode(columns, input)));
  const cursor = new FieldCursor(graph);
  while (cursor.next()) {
    if (cursor.number === GRAPH.node) pieces.push(withoutZipMap(cursor, model));
    else if (cursor.number === GRAPH.input) pieces.push(withColumns(cursor, columnInputs));
    else if (cursor.number === GRAPH.output) pieces.push(withTensor(cursor, model));
    else pieces.push(cursor.raw());
  }
  return pieces;
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

function withTensor(output: FieldCursor, model: OnnxModel): Piece {
  const name = nameOf(output.bytes());
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

function withColumns(input: FieldCursor, columnInputs: ReadonlyMap<string, string>): Piece {
  const columns = columnInputs.get(nameOf(input.bytes()));
  if (columns === undefined) return input.raw();
  const pieces: Piece[] = [textField(VALUE_INFO.name, columns)];
  const cursor = new FieldCursor(input.bytes());
  while (cursor.next()) {
    if (cursor.number === VALUE_INFO.name) continue;
    pieces.push(
      cursor.number === VALUE_INFO.type
        ? bytesField(VALUE_INFO.type, ...transposedType(cursor.bytes()))
        : cursor.raw(),
    );
  }
  return bytesField(GRAPH.input, ...pieces);
}

function transposedType(type: Uint8Array): Piece[] {
  return mapFields(type, TYPE.tensor, (tensor) =>
    mapFields(tensor, TENSOR_TYPE.shape, (shape) => rawFields(shape).reverse()),
  );
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
