import { z } from 'zod';

/** What can be taken from the job itself, for `output.constants`. */
export const JOB_FACTS = ['job_id', 'model_version', 'model_sha256', 'scored_at'] as const;

const MAX_CLASSES = 20_000;

/** The keys below `output` that make columns out of the model's outputs (docs/outputs.md). `column`: a name of a column. */
export function outputTransformKeys(column: z.ZodString) {
  const output = z
    .string()
    .min(1)
    .max(1_000)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);
  const some = (mapping: unknown) =>
    Object.keys(mapping as object).length > 0 && Object.keys(mapping as object).length <= MAX_CLASSES;
  const outputs = z
    .array(output)
    .min(1)
    .max(1_000)
    .refine((names) => new Set(names).size === names.length);
  return {
    softmax: outputs.exactOptional().meta({
      is: 'a list of model outputs, each once',
      description:
        'Turns the scores (logits) of these outputs into probabilities; whatever is published of them is made from the probabilities.',
    }),
    flatten: z
      .union([
        outputs,
        z
          .record(
            output,
            z
              .string()
              .max(1_000)
              .regex(/^[^\0\p{Cs}]*$/u),
          )
          .refine(some),
      ])
      .exactOptional()
      .meta({
        is: 'a list of model outputs, or a mapping of them to prefixes of columns',
        description:
          'Publishes one column for each class, named by its label, else its number: `{ probabilities: p_ }` gives `p_no` and `p_yes`.',
      }),
    argmax: z
      .record(
        output,
        z.union([
          column,
          z
            .strictObject({ label: column.exactOptional(), score: column.exactOptional() })
            .refine(({ label, score }) => label !== undefined || score !== undefined),
        ]),
      )
      .refine(some)
      .exactOptional()
      .meta({
        is: 'a mapping of model outputs to the name of a column, or to the keys label and score',
        description:
          'Publishes the class with the highest score, else its number, and the score: `{ probabilities: { label: predicted, score: p } }`.',
      }),
    top_k: z
      .record(
        output,
        z
          .strictObject({
            k: z.int().min(1).max(MAX_CLASSES),
            labels: column.exactOptional(),
            scores: column.exactOptional(),
          })
          .refine(({ labels, scores }) => labels !== undefined || scores !== undefined),
      )
      .refine(some)
      .exactOptional()
      .meta({
        is: 'a mapping of model outputs to the keys k, labels and scores',
        description:
          'Publishes the k classes with the highest scores, best first, and the scores, as lists: `{ probabilities: { k: 3, labels: top, scores: p_top } }`.',
      }),
    threshold: z
      .record(
        column,
        z.strictObject({
          output,
          // Adding zero makes 0 of -0, which JSON cannot say.
          at_least: z.number().overwrite((value) => value + 0),
        }),
      )
      .refine(some)
      .exactOptional()
      .meta({
        is: 'a mapping of new columns to the keys output and at_least',
        description:
          'Publishes whether a score reaches a limit: `{ will_churn: { output: "probabilities[yes]", at_least: 0.7 } }`.',
      }),
    constants: z
      .record(
        column,
        z.union([
          z
            .string()
            .max(10_000)
            .regex(/^[^\0\p{Cs}]*$/u),
          z.number().overwrite((value) => value + 0),
          z.boolean(),
          z.strictObject({ from: z.enum(JOB_FACTS) }),
        ]),
      )
      .refine(some)
      .exactOptional()
      .meta({
        is: `a mapping of new columns to texts, numbers, true, false, or { from: ${JOB_FACTS.join(' | ')} }`,
        description:
          'Adds columns that are the same in all rows: `{ region: EU, scored_at: { from: scored_at } }`.',
      }),
  };
}
