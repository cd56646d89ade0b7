import { bindOutputs } from '../core/bind-outputs.ts';
import { Failure } from '../core/errors.ts';
import type { ModelContract } from '../core/model-version.ts';
import { type ModelSignature, shapeText } from '../core/signature.ts';

/**
 * What is to be kept with a version about its use, checked against the model itself as far as that can be known without
 * an input. Fails with MODEL_BINDING (features), SPEC_INVALID, COLUMN_AMBIGUOUS or MODEL_UNSUPPORTED (outputs).
 */
export function checkContract(signature: ModelSignature, given: ModelContract): ModelContract {
  const { features, key, outputs } = given;
  if (features !== undefined) checkFeatures(signature, features);
  if (outputs !== undefined) bindOutputs(signature, outputs);
  return {
    ...(features === undefined ? {} : { features }),
    ...(key === undefined ? {} : { key }),
    ...(outputs === undefined ? {} : { outputs }),
  };
}

/** With one input of a fixed width, either a column for each place, or one column that holds lists. */
function checkFeatures({ inputs }: ModelSignature, features: readonly string[]): void {
  const twice = features.find((name, at) => features.indexOf(name) !== at);
  if (twice !== undefined) {
    throw new Failure('MODEL_BINDING', `The features name the column '${twice}' twice.`, {
      place: { field: 'features' },
      next: 'Name each column once, in the order the model was trained with.',
    });
  }
  const [only, ...others] = inputs;
  if (only === undefined || others.length > 0) return;
  const width = only.shape.length === 1 ? 1 : only.shape[1];
  if (typeof width !== 'number' || features.length === width || features.length === 1) return;
  throw new Failure(
    'MODEL_BINDING',
    `There are ${features.length} features, but the model's input '${only.name}' ${shapeText(only.shape)} takes ${width}.`,
    {
      place: { field: 'features' },
      next: `Name the ${width} columns that the model was trained with, in their order.`,
    },
  );
}
