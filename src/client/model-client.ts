import type {
  AddModelAnswer,
  AddModelRequest,
  ModelDetail,
  ModelList,
  MoveAliasAnswer,
  RemoveModelAnswer,
} from '../core/model-wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

/** The client of the model registry. Every call may be repeated. */
export interface ModelClient {
  /** The bytes are in the storage already. */
  add(name: string, request: AddModelRequest): Promise<AddModelAnswer>;
  list(page: { readonly limit: number; readonly after: string | null }): Promise<ModelList>;
  /** `reference`: `churn`, `churn@3` or `churn@champion`. */
  show(
    reference: string,
    page: { readonly limit: number; readonly before: number | null },
  ): Promise<ModelDetail>;
  /** `version` null takes the alias away. */
  moveAlias(
    name: string,
    move: { readonly alias: string; readonly version: number | null; readonly by: string | null },
  ): Promise<MoveAliasAnswer>;
  remove(
    name: string,
    version: number,
    how: { readonly force: boolean; readonly by: string | null },
  ): Promise<RemoveModelAnswer>;
}

export function createModelClient(options: TransportOptions): ModelClient {
  const call = createTransport(options);
  const base = '/api/v1/models';
  const of = (name: string) => `${base}/${encodeURIComponent(name)}`;
  return {
    add: (name, request) => call('POST', `${of(name)}/versions`, request),
    list: ({ limit, after }) =>
      call('GET', `${base}?limit=${limit}${after === null ? '' : `&after=${encodeURIComponent(after)}`}`),
    show: (reference, { limit, before }) =>
      call('GET', `${of(reference)}?limit=${limit}${before === null ? '' : `&before=${before}`}`),
    moveAlias: (name, move) => call('POST', `${of(name)}/aliases`, move),
    remove: (name, version, how) => call('POST', `${of(name)}/versions/${version}/remove`, how),
  };
}
