import type { ApiRole } from './api-role.ts';
import type { ErrorCode } from './error-codes.ts';

/** The bodies of the routes about keys and the audit log. Times are ISO 8601. */

/** An API key, without its secret. */
export interface KeyView {
  /** `bw_<prefix>_...`: the part that is no secret. */
  readonly prefix: string;
  readonly tenant: string;
  readonly name: string;
  readonly role: ApiRole;
  readonly created_at: string;
  readonly created_by: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly revoked_by: string | null;
  readonly replaced_by: string | null;
}

/** The only time that a key is shown. */
export interface NewKey extends KeyView {
  readonly key: string;
}

export interface KeyList {
  /** Newest first. */
  readonly keys: readonly KeyView[];
}

export interface AuditPage {
  /** Newest first. */
  readonly entries: readonly {
    readonly seq: number;
    readonly at: string;
    readonly actor: string;
    readonly action: string;
    readonly target: string;
    /** HTTP status of the answer. */
    readonly status: number;
    readonly code: ErrorCode | null;
  }[];
  /** `before` of the next page; null: this was the last. */
  readonly next_before: number | null;
}
