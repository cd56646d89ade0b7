import type { TransportOptions } from '../client/transport.ts';
import { Failure } from '../core/errors.ts';
import { connect } from './connect.ts';
import { transportTo } from './transport-to.ts';

/** Another process's manager may be one that ends with its command: then this one takes its place, soon. */
const ATTEMPTS = 3;
const MANAGERS = 20;

/**
 * Runs `work` against the manager of a state folder, the live one or one of its own. It is run again when that manager
 * goes away meanwhile, as one does that another short command has brought up: all it does may be repeated.
 */
export async function withManager<Result>(
  state: string,
  work: (to: TransportOptions) => Promise<Result>,
): Promise<Result> {
  for (let managers = 1; ; managers += 1) {
    const connection = await connect(state);
    try {
      return await work(transportTo(connection.endpoint, ATTEMPTS));
    } catch (error) {
      const gone = error instanceof Failure && error.code === 'MANAGER_UNREACHABLE';
      if (!gone || connection.embedded !== null || managers === MANAGERS) throw error;
    } finally {
      await connection.close();
    }
  }
}
