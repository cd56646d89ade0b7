import type * as Ort from 'onnxruntime-node';
import type { Prediction, RecordBatch, Values } from '../../core/columns.ts';
import { Failure } from '../../core/errors.ts';
import { padBatch } from '../../core/pad-batch.ts';
import type { TensorSpec } from '../../core/signature.ts';
import { sliceBatch } from '../../core/slice-rows.ts';
import type { Session, SessionOptions } from '../runtime.ts';
import { roundedToHalf } from './half-precision.ts';
import { type Feeds, inputFeeder } from './input-feeders.ts';
import { predictionColumn } from './prediction-columns.ts';
import type { RewrittenModel } from './rewrite-graph.ts';
import { unreadableTexts } from './unreadable-texts.ts';

export interface LoadRequest {
  /** For messages. */
  readonly path: string;
  readonly model: RewrittenModel;
  /** Shapes of the outputs, as the model declares them. */
  readonly declared: ReadonlyMap<string, TensorSpec['shape']>;
  /** Where external data lies; null for a model that has none. */
  readonly externalFolder: string | null;
}

/**
 * Loads a model into ONNX Runtime. Fails with RUNTIME_MISSING, MODEL_INVALID, MODEL_UNSUPPORTED or OUT_OF_MEMORY.
 *
 * `infer` blocks this thread for the whole of the model call, and nothing can interrupt it: whoever needs a limit
 * ends the process.
 */
export async function loadSession(request: LoadRequest, options: SessionOptions): Promise<Session> {
  const ort = await importRuntime();
  const session = await createSession(ort, request, options.threads);
  const { binding } = options;
  const feedInputs = binding.inputs.map((input) => inputFeeder(ort, input, request.model));
  const fetchOf = (output: string): string => request.model.outputNames.get(output) ?? output;
  const fetches = [...new Set(binding.outputs.map(({ output }) => fetchOf(output)))];
  return {
    maxConcurrentBatches: 1,

    async infer(records: RecordBatch, signal: AbortSignal): Promise<Prediction> {
      signal.throwIfAborted();
      const batch = binding.batchRows === undefined ? records : padBatch(records, binding.batchRows);
      const feeds: Feeds = Object.create(null);
      let at = 0;
      for (const feed of feedInputs) at = feed(batch, at, feeds);
      const results = await run(session, feeds, fetches);
      const columns = binding.outputs.map((output) => {
        const tensor = results[fetchOf(output.output)];
        if (tensor === undefined)
          throw new Failure('MODEL_UNSUPPORTED', `The model gave nothing in its output '${output.output}'.`);
        const { dims } = tensor;
        const data = tensor.data as Values;
        const halved = request.model.outputNames.has(output.output);
        return predictionColumn(
          output,
          { data: halved ? roundedToHalf(data) : data, dims },
          batch.rows,
          request.declared.get(output.output),
        );
      });
      const rejects = unreadableTexts(records);
      if (batch.rows === records.rows) return { columns, rejects };
      return { columns: sliceBatch({ ...batch, columns }, 0, records.rows).columns, rejects };
    },

    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function importRuntime(): Promise<typeof Ort> {
  // From 1.30 on it reports its use to its makers, and leaves files of that in the folder for temporary files.
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    throw new Failure(
      'RUNTIME_MISSING',
      `ONNX models need the package onnxruntime-node, which cannot be loaded: ${cut(words(error))}.`,
      { cause: error },
    );
  }
}

async function createSession(
  ort: typeof Ort,
  { path, model, externalFolder }: LoadRequest,
  threads: number,
): Promise<Ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(model.bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // What goes wrong comes back as an error; on stderr it would only stand a second time.
      logSeverityLevel: 4,
      ...(externalFolder === null
        ? {}
        : { extra: { session: { model_external_initializers_file_folder_path: externalFolder } } }),
    });
  } catch (error) {
    throw loadFailure(path, error);
  }
}

/** What ONNX Runtime 1.30 says of models that are well-formed and that it cannot run. */
const NOT_SUPPORTED =
  /NOT_IMPLEMENTED|is not a registered function\/op|No opset import for domain|Unsupported model IR version|is under development|Unsupported data type|not supported/i;

const NO_MEMORY =
  /bad_alloc|failed to allocate memory|out of memory|smaller than requested bytes|array buffer allocation failed/i;

function loadFailure(path: string, error: unknown): Failure {
  const said = words(error);
  const detail = { place: { file: path }, cause: error };
  if (NO_MEMORY.test(said))
    return new Failure('OUT_OF_MEMORY', `The model ${path} does not fit into memory: ${cut(said)}`, detail);
  const code = NOT_SUPPORTED.test(said) ? 'MODEL_UNSUPPORTED' : 'MODEL_INVALID';
  return new Failure(code, `ONNX Runtime cannot load the model ${path}: ${cut(said)}`, detail);
}

async function run(session: Ort.InferenceSession, feeds: Feeds, fetches: readonly string[]) {
  try {
    return await session.run(feeds, fetches);
  } catch (error) {
    const said = words(error);
    if (NO_MEMORY.test(said))
      throw new Failure('OUT_OF_MEMORY', `The batch does not fit into memory: ${cut(said)}`, {
        cause: error,
      });
    throw new Failure('MODEL_REFUSED', cut(said), { cause: error });
  }
}

/** ONNX Runtime's message on one line, without the place in its sources: `/path/x.cc:360 void* f(size_t, bool) `. */
function words(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replace(/\s+/g, ' ')
    .replace(/\/\S+\.(cc|h):\d+ [^()]*\([^()]*\)( const)? /, '')
    .trim();
}

/** To 300 characters: the message becomes that of a reject. */
function cut(message: string): string {
  return message.length <= 300 ? message : `${message.slice(0, 299)}…`;
}
