import { bind } from '../../core/binding.ts';
import { Failure, type FailureReport } from '../../core/errors.ts';
import type { ModelContract } from '../../core/model-version.ts';
import type { Binding, ModelSignature } from '../../core/signature.ts';
import type { SourceColumn } from '../../core/snapshot.ts';
import { counted } from '../format.ts';
import { hasKeyName } from '../key-names.ts';

export interface ProposalRequest {
  readonly signature: ModelSignature;
  /** Of the model's version, if it is one of the registry. */
  readonly contract: ModelContract;
  readonly columns: readonly SourceColumn[];
  /** Columns that could be the key, as far as was looked; `rows`: how far. */
  readonly candidates: readonly string[];
  readonly rows: number;
  /** What the user says the key is. */
  readonly key?: string;
}

export interface Proposal {
  /** Null: none; file and row number are the key. */
  readonly key: string | null;
  /** One sentence. */
  readonly keyReason: string;
  /** To be written down: the columns in order, or those of each input. Null: need not be said, or cannot. */
  readonly features: readonly string[] | null;
  /** One sentence. */
  readonly featuresReason: string;
  /** Why the model cannot be bound without the user; null: it can. */
  readonly unbound: FailureReport | null;
  /** Columns that are neither key nor feature. */
  readonly others: readonly SourceColumn[];
}

/** How a job over this input with this model would be written down; what is not certain is left to the user. */
export function proposeJob(request: ProposalRequest): Proposal {
  const { columns } = request;
  const { key, keyReason } = proposeKey(request);
  const { binding, ...features } = proposeFeatures(request, key);
  const used = new Set([key, ...(binding?.inputs.flatMap((input) => input.columns) ?? [])]);
  return {
    key,
    keyReason,
    ...features,
    others: columns.filter(({ name }) => !used.has(name)),
  };
}

function proposeKey({ contract, columns, candidates, rows, key, signature }: ProposalRequest): {
  readonly key: string | null;
  readonly keyReason: string;
} {
  if (key !== undefined) return { key, keyReason: 'As you said.' };
  const has = (name: string) => columns.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (contract.key !== undefined && has(contract.key) !== undefined)
    return { key: has(contract.key)?.name ?? null, keyReason: "As stored with the model's version." };
  const looked = `no null and no value twice in the first ${counted(rows, 'row')}`;
  const inputs = new Set(signature.inputs.map(({ name }) => name));
  const free = candidates.filter((name) => !inputs.has(name));
  const named = free.find(hasKeyName);
  if (named !== undefined) return { key: named, keyReason: `It has the name of a key, and ${looked}.` };
  const [only, ...more] = free;
  if (only !== undefined && more.length === 0)
    return { key: only, keyReason: `The only column with ${looked}.` };
  const which =
    only === undefined ? 'No column has' : `Several columns (${free.slice(0, 5).join(', ')}) have`;
  return {
    key: null,
    keyReason: `${which} ${looked}, so file and row number are the key: source_file, source_row.`,
  };
}

interface ProposedFeatures {
  readonly features: readonly string[] | null;
  readonly featuresReason: string;
  readonly unbound: FailureReport | null;
  /** Null: there is none. */
  readonly binding: Binding | null;
}

/** In the order in which a job looks for them: stored, by name, then all columns if they are exactly as many. */
function proposeFeatures(
  { signature, contract, columns }: ProposalRequest,
  key: string | null,
): ProposedFeatures {
  const request = {
    columns,
    ...(key === null ? {} : { key }),
    ...(contract.features === undefined ? {} : { stored: { features: contract.features } }),
  };
  const byName = bound(signature, request);
  if (!(byName instanceof Failure)) {
    const featuresReason =
      contract.features === undefined
        ? 'Each input of the model takes the column of its name.'
        : "The order is stored with the model's version.";
    return { features: null, featuresReason, unbound: null, binding: byName };
  }
  const inOrder =
    contract.features === undefined ? bound(signature, { ...request, features: 'auto' }) : byName;
  if (inOrder instanceof Failure) {
    return { features: null, featuresReason: '', unbound: byName.toJSON(), binding: null };
  }
  const [only] = inOrder.inputs;
  return {
    features: only?.columns ?? null,
    featuresReason:
      'All columns but the key, as they come: exactly as many as the model takes. COMPARE THE ORDER with that of the training; another one gives wrong scores without an error.',
    unbound: null,
    binding: inOrder,
  };
}

function bound(signature: ModelSignature, request: Parameters<typeof bind>[1]): Binding | Failure {
  try {
    return bind(signature, request);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}
