import type { BoundJob } from '../core/bound.ts';
import type { ElementType } from '../core/columns.ts';
import type { Snapshot } from '../core/snapshot.ts';

const ELEMENT_BYTES: Record<ElementType, number> = {
  float16: 2,
  float32: 4,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  string: 16,
};
/** Of a passed-through column: right for numbers and times, a guess for text and nested values. */
const FLAT_BYTES = 8;
const TEXT_OR_NESTED_BYTES = 32;
/** Elements of a list output whose length the model leaves open. */
const OPEN_LIST = 8;

/** Expected bytes per row of the output before compression; only the size of shards depends on it. */
export function outputBytesPerRow(snapshot: Snapshot, bound: BoundJob): number {
  const passed = new Set([...(bound.key === null ? [] : [bound.key]), ...bound.include]);
  let bytes = bound.key === null ? FLAT_BYTES : 0;
  for (const { name, type } of snapshot.columns) {
    if (passed.has(name)) bytes += /CHAR|BLOB|\[|STRUCT|MAP/.test(type) ? TEXT_OR_NESTED_BYTES : FLAT_BYTES;
  }
  for (const { output, type, shape, derived } of bound.binding.outputs) {
    const dims =
      derived?.give.kind === 'top_k'
        ? [derived.give.k]
        : (bound.signature.outputs.find(({ name }) => name === output)?.shape.slice(1) ?? [null]);
    const elements =
      shape === 'scalar'
        ? 1
        : dims.reduce<number>((all, dim) => all * (typeof dim === 'number' ? dim : OPEN_LIST), 1);
    bytes += elements * ELEMENT_BYTES[type];
  }
  return bytes;
}
