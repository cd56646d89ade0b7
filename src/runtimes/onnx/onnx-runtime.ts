import { dirname } from 'node:path';
import type { ModelFile, Runtime } from '../runtime.ts';
import { checkCompanions } from './companion-files.ts';
import { externalReferences } from './external-references.ts';
import { readingModel, readModelFile } from './model-file.ts';
import { parseModel } from './onnx-model.ts';
import { loadSession } from './onnx-session.ts';
import { rewriteGraph } from './rewrite-graph.ts';
import { modelSignature } from './signature.ts';

/** ONNX models on ONNX Runtime's CPU kernels. */
export const onnx: Runtime = {
  async inspect(model) {
    const { parsed } = await readChecked(model.path);
    return modelSignature(model.path, parsed);
  },

  async companions(path) {
    return (await readChecked(path)).companions;
  },

  async open(model: ModelFile, options, signal) {
    const { bytes, parsed, companions } = await readChecked(model.path);
    signal.throwIfAborted();
    const packed = options.binding.inputs
      .filter((input) => input.columns.length > 1 && input.list === undefined)
      .map((input) => input.input);
    const rewritten = readingModel(model.path, () => rewriteGraph(bytes, parsed, packed));
    const externalFolder = companions.length === 0 ? null : dirname(model.path);
    const declared = new Map(
      modelSignature(model.path, parsed).outputs.map(({ name, shape }) => [name, shape]),
    );
    return loadSession({ path: model.path, model: rewritten, declared, externalFolder }, options);
  },
};

async function readChecked(path: string) {
  const bytes = await readModelFile(path);
  const { parsed, references } = readingModel(path, () => ({
    parsed: parseModel(bytes),
    references: externalReferences(bytes),
  }));
  return { bytes, parsed, companions: await checkCompanions(path, references) };
}
