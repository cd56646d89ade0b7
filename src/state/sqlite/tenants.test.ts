import { describe } from 'vitest';
import { tenantsConformance } from '../tenants/tenants-conformance.ts';
import { openLedgerInProcess } from './open-ledger.ts';

const random = { bytes: (n: number) => new Uint8Array(n), float: () => 0.5 };

describe('tenants on SQLite', () => {
  tenantsConformance(async () => openLedgerInProcess({ file: ':memory:', random }));
});
