import { onnx } from './onnx/onnx-runtime.ts';
import type { Runtime } from './runtime.ts';

export const runtimes = { onnx } as const satisfies Record<string, Runtime>;
