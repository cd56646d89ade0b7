import type { FailureReport } from '../../core/errors.ts';
import type { StateVerbName } from '../verbs.ts';

/** Between the manager's thread and the ledger's. Values travel by structured clone. */
export type ToThread =
  | {
      readonly kind: 'verb';
      readonly id: number;
      readonly verb: StateVerbName;
      readonly args: readonly unknown[];
      readonly seed: number;
    }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly failure: FailureReport }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: FailureReport };
