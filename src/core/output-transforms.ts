/**
 * What the specification asks to be made of the model's outputs, resolved: every name is spelled out. The steps come in
 * this order: softmax, then what is published: outputs as they are (`output.columns`), flatten, argmax, top_k, threshold, constants.
 */
export interface OutputTransforms {
  /** Outputs whose scores become probabilities before anything is made of them. */
  readonly softmax?: readonly string[];
  /** Output to the prefix of its classes' columns. */
  readonly flatten?: Readonly<Record<string, string>>;
  /** Output to the columns of the best class and of its score; at least one. */
  readonly argmax?: Readonly<Record<string, { readonly label?: string; readonly score?: string }>>;
  readonly top_k?: Readonly<
    Record<string, { readonly k: number; readonly labels?: string; readonly scores?: string }>
  >;
  /** Column to the score, an output or `output[label]`, and the limit that it has to reach. */
  readonly threshold?: Readonly<Record<string, { readonly output: string; readonly at_least: number }>>;
  /** Column to its value in all rows. */
  readonly constants?: Readonly<Record<string, string | number | boolean | { readonly from: JobFact }>>;
}

/** What a constant column can take from the job itself. */
export type JobFact = 'job_id' | 'model_version' | 'model_sha256' | 'scored_at';
