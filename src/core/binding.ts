import { type BindInputsRequest, bindInputs } from './bind-inputs.ts';
import { bindOutputs } from './bind-outputs.ts';
import { chooseFeatures, type FeatureNames } from './choose-features.ts';
import { Failure } from './errors.ts';
import type { OutputTransforms } from './output-transforms.ts';
import { type Binding, type ModelSignature, shapeText } from './signature.ts';

export interface BindRequest extends BindInputsRequest {
  /** `input.features`: columns in the order the model was trained with, or those of each input, or `auto`. */
  readonly features?: FeatureNames | 'auto';
  /** The key column; `auto` leaves it out. */
  readonly key?: string;
  /** What was stored with the version of the model. */
  readonly stored?: { readonly features?: FeatureNames };
  /** `output.columns`: an output, or `output[label]`, or `output[index]`, to the name of the published column. */
  readonly outputs?: Readonly<Record<string, string>>;
  readonly transforms?: OutputTransforms;
}

/**
 * Settles which columns feed which model input, and which outputs are published under which name. Nothing is guessed.
 * The names of the columns come from, in this order: `features`, those stored with the model, the names of the model's
 * inputs (`choose-features.ts`, `bind-inputs.ts`).
 *
 * Anything else is MODEL_BINDING, with inputs and columns side by side in `details`. Other failures: COLUMN_MISSING,
 * COLUMN_AMBIGUOUS, COLUMN_TYPE, MODEL_UNSUPPORTED (an input or output of a shape that columns cannot have), SPEC_INVALID
 * (`features` or `outputs` name something twice, or an output that is not there).
 *
 * Names of columns count exactly; where none is exact, letter case is ignored.
 */
export function bind(signature: ModelSignature, request: BindRequest): Binding {
  const batchRows = fixedBatch(signature);
  const { features, warnings } = chooseFeatures(signature, request);
  return {
    inputs: bindInputs(signature, features, request),
    outputs: bindOutputs(signature, request.outputs ?? {}, request.transforms),
    ...(batchRows === null ? {} : { batchRows }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** The number of records that every call must have; null when it is free. Inputs that leave it free go with the others. */
function fixedBatch({ inputs }: ModelSignature): number | null {
  let fixed: { name: string; rows: number } | null = null;
  for (const { name, shape } of inputs) {
    const [rows] = shape;
    if (shape.length === 0)
      throw new Failure(
        'MODEL_UNSUPPORTED',
        `The model's input '${name}' [] declares no dimension for the records.`,
        {
          place: { field: name },
          next: 'Export the model with inputs [N] or [N, F], or give this input a value in the model (an initializer).',
        },
      );
    if (typeof rows !== 'number') continue;
    if (fixed !== null && fixed.rows !== rows)
      throw new Failure(
        'MODEL_UNSUPPORTED',
        `The model takes ${fixed.rows} records in '${fixed.name}', but ${rows} in '${name}' ${shapeText(shape)}.`,
        {
          place: { field: name },
          next: 'Export the model with one number of records for all inputs, best a free one.',
        },
      );
    fixed = { name, rows };
  }
  return fixed?.rows ?? null;
}
