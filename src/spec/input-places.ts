import type { InputSpec } from './job-spec.ts';

/** Where the rows of an input come from, for people: paths, or a connection and what is read from it. */
export function inputPlaces({ path = [], connection, table, query }: InputSpec): readonly string[] {
  if (connection === undefined) return path;
  return [`${connection}: ${table === undefined ? (query ?? '') : `table ${table}`}`];
}
