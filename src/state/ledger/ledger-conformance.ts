import type { Ledger } from './ledger.ts';
import { ledgerHazardsConformance } from './ledger-hazards-conformance.ts';
import { ledgerRandomConformance } from './ledger-random-conformance.ts';
import { ledgerTableConformance } from './ledger-table-conformance.ts';

/**
 * What any implementation of the ledger has to pass. `open` gives a new, empty ledger each time; `randomRuns` is how many
 * random interleavings are tried.
 */
export function ledgerConformance(open: () => Promise<Ledger>, randomRuns: number): void {
  ledgerTableConformance(open);
  ledgerHazardsConformance(open);
  ledgerRandomConformance(open, randomRuns);
}
