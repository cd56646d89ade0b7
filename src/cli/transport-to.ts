import type { TransportOptions } from '../client/transport.ts';
import type { Endpoint } from './state-folder.ts';
import { systemClock } from './system-ports.ts';

/** How clients of this process reach a manager. */
export function transportTo(endpoint: Endpoint, attempts: number): TransportOptions {
  return {
    managerUrl: endpoint.url,
    token: endpoint.token,
    fetch: globalThis.fetch,
    sleep: (ms) => systemClock.sleep(ms),
    attempts,
  };
}
