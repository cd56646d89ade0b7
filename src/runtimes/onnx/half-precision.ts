import type { Values } from '../../core/columns.ts';

/**
 * float32 values rounded to half precision (to nearest, ties to even), in a new array.
 *
 * The graph's own casts do not suffice: where ONNX Runtime computes in float32, as it mostly does on a CPU, its optimizer
 * takes a cast to float16 and the one back for nothing and drops both. And onnxruntime-node 1.30 takes no tensor of float16
 * ("not enough space: expected 8, got 0").
 */
export function roundedToHalf(values: Values): Float32Array {
  return new Float32Array(new Float16Array(values as Float32Array));
}
