import {
  ATTRIBUTE,
  ENTRY,
  FUNCTION,
  GRAPH,
  MODEL,
  NODE,
  SPARSE_TENSOR,
  TENSOR,
  TRAINING,
} from './onnx-model.ts';
import { FieldCursor, MalformedError } from './protobuf.ts';

/** A tensor whose bytes lie in a file of their own. */
export interface ExternalReference {
  /** What the tensor is called; '' for one without a name (an attribute). */
  readonly tensor: string;
  /** As in the model: TensorProto.external_data. */
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/**
 * All references to external data: in initializers, sparse ones too, in attributes of nodes, in graphs inside nodes to
 * any depth, in functions and training graphs. Throws MalformedError.
 */
export function externalReferences(model: Uint8Array): ExternalReference[] {
  const found: ExternalReference[] = [];
  const cursor = new FieldCursor(model);
  while (cursor.next()) {
    if (cursor.number === MODEL.graph) walkGraph(cursor.bytes(), 0, found);
    else if (cursor.number === MODEL.functions) walkFunction(cursor.bytes(), found);
    else if (cursor.number === MODEL.trainingInfo) walkTraining(cursor.bytes(), found);
  }
  return found;
}

/** What protobuf readers take (100 nested messages; a graph in a graph takes three) and ONNX Runtime with them. */
const MAX_GRAPH_DEPTH = 32;

function walkGraph(message: Uint8Array, depth: number, found: ExternalReference[]): void {
  if (depth > MAX_GRAPH_DEPTH)
    throw new MalformedError(`its graphs are nested more than ${MAX_GRAPH_DEPTH} deep`);
  const graph = new FieldCursor(message);
  while (graph.next()) {
    if (graph.number === GRAPH.node) walkNode(graph.bytes(), depth, found);
    else if (graph.number === GRAPH.initializer) walkTensor(graph.bytes(), found);
    else if (graph.number === GRAPH.sparseInitializer) walkSparse(graph.bytes(), found);
  }
}

function walkNode(message: Uint8Array, depth: number, found: ExternalReference[]): void {
  const node = new FieldCursor(message);
  while (node.next()) if (node.number === NODE.attribute) walkAttribute(node.bytes(), depth, found);
}

function walkAttribute(message: Uint8Array, depth: number, found: ExternalReference[]): void {
  const attribute = new FieldCursor(message);
  while (attribute.next()) {
    switch (attribute.number) {
      case ATTRIBUTE.tensor:
      case ATTRIBUTE.tensors:
        walkTensor(attribute.bytes(), found);
        break;
      case ATTRIBUTE.sparse:
      case ATTRIBUTE.sparses:
        walkSparse(attribute.bytes(), found);
        break;
      case ATTRIBUTE.graph:
      case ATTRIBUTE.graphs:
        walkGraph(attribute.bytes(), depth + 1, found);
        break;
    }
  }
}

function walkFunction(message: Uint8Array, found: ExternalReference[]): void {
  const cursor = new FieldCursor(message);
  while (cursor.next()) {
    if (cursor.number === FUNCTION.node) walkNode(cursor.bytes(), 0, found);
    else if (cursor.number === FUNCTION.attribute) walkAttribute(cursor.bytes(), 0, found);
  }
}

function walkTraining(message: Uint8Array, found: ExternalReference[]): void {
  const cursor = new FieldCursor(message);
  while (cursor.next())
    if (cursor.number === TRAINING.initialization || cursor.number === TRAINING.algorithm)
      walkGraph(cursor.bytes(), 0, found);
}

function walkSparse(message: Uint8Array, found: ExternalReference[]): void {
  const cursor = new FieldCursor(message);
  while (cursor.next())
    if (cursor.number === SPARSE_TENSOR.values || cursor.number === SPARSE_TENSOR.indices)
      walkTensor(cursor.bytes(), found);
}

/** Entries count whatever `data_location` says: who reads the file next may see it otherwise. */
function walkTensor(message: Uint8Array, found: ExternalReference[]): void {
  const cursor = new FieldCursor(message);
  const entries: (readonly [string, string])[] = [];
  let name = '';
  let external = false;
  while (cursor.next()) {
    if (cursor.number === TENSOR.name) name = cursor.text();
    else if (cursor.number === TENSOR.externalData) entries.push(readEntry(cursor.bytes()));
    else if (cursor.number === TENSOR.dataLocation) external = cursor.int() === 1n;
  }
  if (external || entries.length > 0) found.push({ tensor: name, entries });
}

function readEntry(message: Uint8Array): readonly [string, string] {
  const cursor = new FieldCursor(message);
  let key = '';
  let value = '';
  while (cursor.next()) {
    if (cursor.number === ENTRY.key) key = cursor.text();
    else if (cursor.number === ENTRY.value) value = cursor.text();
  }
  return [key, value];
}
