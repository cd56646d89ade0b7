import { Failure } from '../../core/errors.ts';
import { findColumn } from '../../core/find-column.ts';
import type { SourceColumn } from '../../core/snapshot.ts';
import type { JoinSpec } from '../../spec/job-spec.ts';
import { quoteName } from '../duckdb.ts';

/** A declared join of a side input, as SQL. */
export interface JoinSql {
  /** To stand behind `FROM base b`. */
  readonly join: string;
  /** Columns that it adds to those of the input. */
  readonly columns: readonly { readonly name: string; readonly sql: string }[];
  /** Gives a row `(place, n)` where several side rows fit equally well. */
  readonly ambiguous: string;
}

export interface SideTable {
  readonly name: string;
  readonly columns: readonly SourceColumn[];
}

/**
 * SQL for a declared join. Each row of the input (`b`) gets the columns of at most one row of the side input: of those with
 * the same values in the columns of `on`, the latest whose time is not after (with `inclusive: false`: before) the input's;
 * without `as_of`, the one that there is. Rows without such a one, and rows with a null in key or time, get nulls; so does a row
 * whose latest side row is older than `max_age`: an older one is never taken instead.
 *
 * Fails with COLUMN_MISSING, COLUMN_AMBIGUOUS, TRANSFORM_INVALID (types that cannot be compared).
 */
export function joinSql(
  input: readonly SourceColumn[],
  side: SideTable,
  join: JoinSpec,
  taken: ReadonlySet<string>,
  index: number,
): JoinSql {
  const field = `input.side_inputs.${side.name}.join`;
  const s = `s${index}`;
  const keys = Object.entries(join.on).map(([ours, theirs]) => {
    const left = findColumn(ours, input, `${field}.on`);
    const right = findColumn(theirs, side.columns, `${field}.on`);
    requireSameKind(left, right, side.name, `${field}.on`);
    return { left: quoteName(left.name), right: quoteName(right.name) };
  });
  const time = join.as_of === undefined ? null : timesOf(join.as_of, input, side, field);
  const used = new Set([...keys.map(({ right }) => right), ...(time === null ? [] : [time.sideName])]);
  const chosen =
    join.columns === undefined
      ? side.columns.filter(({ name }) => !used.has(quoteName(name)))
      : join.columns.map((name) => findColumn(name, side.columns, `${field}.columns`));
  if (chosen.length === 0)
    throw new Failure(
      'TRANSFORM_INVALID',
      `Side input ${side.name} has no column to add: ${field}.columns.`,
      {
        place: { field: `${field}.columns` },
      },
    );
  const names = new Set(taken);
  const columns = chosen.map(({ name }, at) => {
    const as = `${join.prefix ?? ''}${name}`;
    if (names.has(as.toLowerCase()))
      throw new Failure('COLUMN_AMBIGUOUS', `Side input ${side.name} would add a second column ${as}.`, {
        place: { field },
        next: `Set ${field}.prefix, or name the columns to add in ${field}.columns.`,
      });
    names.add(as.toLowerCase());
    const value = `${s}.c${at}`;
    return {
      name: as,
      sql: time?.maxAge === undefined ? value : young(value, time.left, `${s}.t`, time.maxAge),
    };
  });
  const rights = keys.map(({ right }, at) => `${right} AS k${at}`);
  const selected = [...rights, ...(time === null ? [] : [`${time.right} AS t`])];
  const values = chosen.map(({ name }, at) => `${quoteName(name)} AS c${at}`);
  const present = [...keys.map(({ right }) => right), ...(time === null ? [] : [time.sideName])]
    .map((name) => `${name} IS NOT NULL`)
    .join(' AND ');
  const from = `FROM ${quoteName(side.name)} WHERE ${present}`;
  const group = [...keys.map(({ right }) => right), ...(time === null ? [] : [time.right])].join(', ');
  const latest =
    time?.latestBy === undefined
      ? ''
      : ` QUALIFY row_number() OVER (PARTITION BY ${group} ORDER BY ${time.latestBy} DESC NULLS LAST) = 1`;
  // Of rows with the same key and time, only the first by latest_by compete.
  const competing =
    time?.latestBy === undefined
      ? `SELECT ${selected.join(', ')} ${from}`
      : `SELECT ${selected.join(', ')} ${from} QUALIFY rank() OVER (PARTITION BY ${group} ORDER BY ${time.latestBy} DESC NULLS LAST) = 1`;
  const conditions = [
    ...keys.map(({ left }, at) => `b.${left} = ${s}.k${at}`),
    ...(time === null ? [] : [`${time.left} ${time.inclusive ? '>=' : '>'} ${s}.t`]),
  ];
  const shown = [
    ...keys.map(({ right }, at) => [right, `k${at}`]),
    ...(time === null ? [] : [[time.sideName, 't']]),
  ];
  const place = shown
    .map(([name, value]) => `'${name?.replaceAll("'", "''")} ' || ${value}::VARCHAR`)
    .join(` || ', ' || `);
  return {
    join: `${time === null ? '' : 'ASOF '}LEFT JOIN (SELECT ${[...selected, ...values].join(', ')} ${from}${latest}) ${s} ON ${conditions.join(' AND ')}`,
    columns,
    ambiguous: `SELECT ${place} AS place, count(*)::INTEGER AS n FROM (${competing}) GROUP BY ALL HAVING count(*) > 1 LIMIT 1`,
  };
}

function timesOf(
  asOf: NonNullable<JoinSpec['as_of']>,
  input: readonly SourceColumn[],
  side: SideTable,
  field: string,
) {
  const left = findColumn(asOf.input, input, `${field}.as_of.input`);
  const right = findColumn(asOf.side, side.columns, `${field}.as_of.side`);
  const [ours, theirs] = [timeKind(left.type), timeKind(right.type)];
  const refuse = (what: string): never => {
    throw new Failure('TRANSFORM_INVALID', `The join of side input ${side.name}: ${what}.`, {
      place: { field: `${field}.as_of` },
      next: 'Give both columns one type of time: input.types for CSV and JSON Lines, or a cast where they are written.',
    });
  };
  if (ours === null) refuse(`${left.name} is ${left.type}, which is no time`);
  if (theirs === null) refuse(`${right.name} is ${right.type}, which is no time`);
  if (ours !== theirs)
    refuse(`${left.name} (${left.type}) and ${right.name} (${right.type}) are different kinds of time`);
  if (asOf.max_age !== undefined && ours !== 'local' && ours !== 'zoned')
    refuse(`max_age needs a DATE or TIMESTAMP, and ${left.name} is ${left.type}`);
  const latest =
    asOf.latest_by === undefined
      ? undefined
      : findColumn(asOf.latest_by, side.columns, `${field}.as_of.latest_by`);
  const asTime = ({ name, type }: SourceColumn, table = '') =>
    type === 'DATE' ? `CAST(${table}${quoteName(name)} AS TIMESTAMP)` : `${table}${quoteName(name)}`;
  return {
    left: asTime(left, 'b.'),
    right: asTime(right),
    sideName: quoteName(right.name),
    inclusive: asOf.inclusive ?? true,
    latestBy: latest === undefined ? undefined : quoteName(latest.name),
    maxAge: asOf.max_age === undefined ? undefined : maxAgeSeconds(asOf.max_age),
  };
}

const WHOLE = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT)$/;

/** A date is the midnight that it begins with. */
function timeKind(type: string): 'local' | 'zoned' | 'nanoseconds' | 'whole' | null {
  if (type === 'DATE' || type === 'TIMESTAMP') return 'local';
  if (type === 'TIMESTAMP WITH TIME ZONE') return 'zoned';
  if (type === 'TIMESTAMP_NS') return 'nanoseconds';
  return WHOLE.test(type) ? 'whole' : null;
}

/** Left to itself, the engine would compare a text with a number by casting one of them. */
function requireSameKind(left: SourceColumn, right: SourceColumn, side: string, field: string): void {
  if (left.type === right.type || (WHOLE.test(left.type) && WHOLE.test(right.type))) return;
  throw new Failure(
    'TRANSFORM_INVALID',
    `The join of side input ${side}: ${left.name} of the input is ${left.type}, ${right.name} of the side input is ${right.type}.`,
    {
      place: { field },
      next: 'Give both columns one type: input.types for CSV and JSON Lines, or a cast where they are written.',
    },
  );
}

/** The value if the side row is at most so old; infinite times have no age. */
function young(value: string, input: string, side: string, seconds: number): string {
  return `CASE WHEN NOT (isfinite(${input}) AND isfinite(${side})) THEN NULL WHEN epoch_us(${input})::HUGEINT - epoch_us(${side})::HUGEINT <= ${seconds * 1_000_000} THEN ${value} END`;
}

const SECONDS: Readonly<Record<string, number>> = {
  second: 1,
  minute: 60,
  hour: 3_600,
  day: 86_400,
  week: 604_800,
};

function maxAgeSeconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d+) ([a-z]+?)s?$/.exec(text) ?? [];
  return Number(count) * (SECONDS[unit] ?? Number.NaN);
}
