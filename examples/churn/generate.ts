/**
 * Generates customers as Parquet files:
 *
 *     node examples/churn/generate.ts [--rows 500000] [--seed 7] [--out examples/churn/data]
 *
 * Customer i depends on the seed and i alone, through MD5 and exact arithmetic: the same seed and count give the same
 * values on every machine and with every version of DuckDB. DuckDB computes and writes the rows; memory stays the same
 * for any count.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

export interface GenerateRequest {
  /** Number of customers. */
  readonly rows: number;
  /** Any whole number. */
  readonly seed: number;
  /** Folder for `customers-*.parquet`; made as a whole or not at all. What was there before is replaced. */
  readonly folder: string;
}

const ROWS_PER_FILE = 125_000;

/**
 * Writes `customers-00000.parquet` and so on, 125,000 customers each (one empty file for no customers), with the columns
 *
 * | column | type | |
 * |---|---|---|
 * | customer_id | BIGINT | unique, with gaps, beyond 2^53: read as doubles, every two customers would become one |
 * | tenure | INTEGER | months, 0 to 72 |
 * | contract | VARCHAR | month-to-month, one year, two year |
 * | contract_months | INTEGER | 1, 12, 24 |
 * | monthly_charges | DECIMAL(10,2) | 18.25 to 118.49 |
 * | total_charges | DOUBLE | tenure x monthly charges, within 5 % |
 * | support_calls | SMALLINT | of the last quarter, 0 to 9 |
 * | paperless_billing, senior_citizen | BOOLEAN | |
 * | payment_method, city | VARCHAR | city in its own script |
 * | usage_trend | DOUBLE | change of use; NaN where there was none, null where it was not measured |
 * | signed_up_at | TIMESTAMP WITH TIME ZONE | to the microsecond |
 */
export async function generateCustomers({ rows, seed, folder }: GenerateRequest): Promise<void> {
  const unfinished = join(dirname(folder), `.customers-${process.pid}`);
  await mkdir(unfinished, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    for (let first = 0, file = 0; first === 0 || first < rows; first += ROWS_PER_FILE, file += 1) {
      const path = join(unfinished, `customers-${String(file).padStart(5, '0')}.parquet`);
      await writeFile(connection, { seed, first, end: Math.min(rows, first + ROWS_PER_FILE), path });
    }
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function writeFile(
  connection: DuckDBConnection,
  { seed, first, end, path }: { seed: number; first: number; end: number; path: string },
): Promise<void> {
  await connection.run(
    `COPY (${customersSql(seed, first, end)}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`,
  );
}

/** u(n) is the n-th of eight numbers in [0, 1) with 32 random bits each: two MD5 sums per customer. */
function customersSql(seed: number, first: number, end: number): string {
  const halves = ['md5_number_lower(a)', 'md5_number_upper(a)', 'md5_number_lower(b)', 'md5_number_upper(b)'];
  const uniforms = halves.flatMap((half, index) => [
    `(${half} & 4294967295)::BIGINT / 4294967296.0::DOUBLE AS u${2 * index}`,
    `(${half} >> 32)::BIGINT / 4294967296.0::DOUBLE AS u${2 * index + 1}`,
  ]);
  return `
    WITH
    seeds AS (
      SELECT i, '${seed}/' || i || '/a' AS a, '${seed}/' || i || '/b' AS b FROM range(${first}, ${end}) AS r(i)
    ),
    draws AS (SELECT i, ${uniforms.join(', ')} FROM seeds),
    contracts AS (
      SELECT *, CASE WHEN u0 < 0.55 THEN 1 WHEN u0 < 0.76 THEN 12 ELSE 24 END AS contract_months FROM draws
    ),
    customers AS (
      SELECT
        *,
        -- Customers without a contract are mostly new, the others mostly old.
        least(72, floor(73 * CASE WHEN contract_months = 1 THEN u1 * u1 ELSE 1 - u1 * u1 END))::INTEGER AS tenure_months,
        (1825 + floor(10025 * u2)::INTEGER)::DECIMAL(10, 0) * 0.01::DECIMAL(3, 2) AS charges
      FROM contracts
    )
    SELECT
      ${2 ** 53} + 4 * ((i // 2 * 1000003 + ${Math.abs(seed) % 1_000_000_007}) % 10000000019) + i % 2 AS customer_id,
      tenure_months AS tenure,
      CASE contract_months WHEN 1 THEN 'month-to-month' WHEN 12 THEN 'one year' ELSE 'two year' END AS contract,
      contract_months::INTEGER AS contract_months,
      charges::DECIMAL(10, 2) AS monthly_charges,
      round(tenure_months * charges::DOUBLE * (0.95 + 0.1 * u3), 2) AS total_charges,
      floor(10 * u4 * u4 * u4)::SMALLINT AS support_calls,
      (u5 < 0.6) AS paperless_billing,
      (u6 < 0.16) AS senior_citizen,
      CASE WHEN u7 < 0.34 THEN 'electronic check' WHEN u7 < 0.57 THEN 'mailed check'
           WHEN u7 < 0.79 THEN 'bank transfer' ELSE 'credit card' END AS payment_method,
      ['Wien', 'Zürich', 'Łódź', 'São Paulo', '東京', 'Αθήνα', 'القاهرة', 'Reykjavík'][1 + (i * 7 + floor(u6 * 8)::BIGINT) % 8] AS city,
      CASE WHEN u5 < 0.02 THEN NULL WHEN u5 < 0.05 THEN 'NaN'::DOUBLE ELSE round(u3 - u4, 4) END AS usage_trend,
      -- 2026-01-01, less the months since, less up to a day.
      make_timestamptz(1767225600000000 - tenure_months * 2629746000000 - floor(u2 * 86400000000)::BIGINT) AS signed_up_at
    FROM customers
    ORDER BY i`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '500000' },
      seed: { type: 'string', default: '7' },
      out: { type: 'string', default: join(import.meta.dirname, 'data') },
    },
  });
  const rows = Number(values.rows);
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(rows) || rows < 0)
    throw new RangeError(`--rows ${values.rows} is not a number of customers`);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed ${values.seed} is not a whole number`);
  await generateCustomers({ rows, seed, folder: values.out });
  console.log(`${rows.toLocaleString('en')} customers in ${values.out}`);
}
