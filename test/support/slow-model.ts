import { attrGraph, attrInt, buildModel, node, tensor, type ValueSpec } from '../onnx-builder.ts';

/** x [N] int64 -> y [N] float32 = x, after so many turns of a loop, whatever N is. Measured: 1,000,000 turns take about 0.6 s. */
export function slowModel(turns: number): Uint8Array {
  const scalar = (name: string, type: 'int64' | 'bool'): ValueSpec => ({ name, type, shape: [] });
  const body = {
    inputs: [scalar('turn', 'int64'), scalar('goOn', 'bool'), scalar('before', 'int64')],
    outputs: [scalar('goOnStill', 'bool'), scalar('after', 'int64')],
    nodes: [node('Identity', ['goOn'], ['goOnStill']), node('Add', ['before', 'turn'], ['after'])],
  };
  return buildModel({
    inputs: [{ name: 'x', type: 'int64', shape: ['N'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N'] }],
    initializers: [
      tensor('turns', 'int64', [], BigInt64Array.of(BigInt(turns))),
      tensor('zero', 'int64', [], BigInt64Array.of(0n)),
      tensor('true', 'bool', [], Uint8Array.of(1)),
    ],
    nodes: [
      node('Loop', ['turns', 'true', 'zero'], ['sum'], [attrGraph('body', body)]),
      node('Mul', ['sum', 'zero'], ['nothing']),
      node('Add', ['x', 'nothing'], ['result']),
      node('Cast', ['result'], ['y'], [attrInt('to', 1)]),
    ],
  });
}
