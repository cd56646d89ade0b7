/** What an API key allows; each role may do what those before it may. */
export const API_ROLES = ['reader', 'submitter', 'admin'] as const;

export type ApiRole = (typeof API_ROLES)[number];

export function mayActAs(role: ApiRole, needed: ApiRole): boolean {
  return API_ROLES.indexOf(role) >= API_ROLES.indexOf(needed);
}

/** Names of tenants are parts of paths. */
export const TENANT_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
