import { Failure } from '../../core/errors.ts';
import type { ServerConnection } from '../../spec/connections.ts';
import type { Database } from '../database.ts';
export function postgresDatabase(name: string, _spec: ServerConnection): Database {
  throw new Failure('DRIVER_MISSING', name);
}
