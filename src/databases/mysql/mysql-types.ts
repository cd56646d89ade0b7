import { VALUE } from '../../data/convert-rows.ts';
import type { ReadColumn } from '../database.ts';
import { refuseType } from '../query-failure.ts';

/** A column of a result, as the protocol describes it: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html */
export interface MysqlField {
  readonly name: string;
  readonly columnType?: number;
  readonly columnLength?: number;
  readonly characterSet?: number;
  readonly decimals?: number;
  readonly flags: number | readonly string[];
}

/** A column, and how a value of it, as the driver gives it, becomes text. */
export interface MysqlColumn {
  readonly column: ReadColumn;
  readonly text: (value: unknown) => string;
}

const UNSIGNED = 32;
const BINARY_CHARACTERS = 63;
const MAX_DIGITS = 38;

/** The column as it is carried. Fails with COLUMN_TYPE. */
export function mysqlColumn(field: MysqlField, connection: string): MysqlColumn {
  const { name, columnType = -1, columnLength = 0, decimals = 0, characterSet } = field;
  const isUnsigned = typeof field.flags === 'number' && (field.flags & UNSIGNED) !== 0;
  const of = (type: string, text: (value: unknown) => string = String, sql?: string): MysqlColumn => ({
    column: { name, type, ...(sql === undefined ? {} : { sql }) },
    text,
  });
  const whole = (type: string) => of(isUnsigned ? `U${type}` : type);
  switch (columnType) {
    case 1:
      return whole('TINYINT');
    case 2:
      return whole('SMALLINT');
    case 3:
    case 9:
      return whole('INTEGER');
    case 8:
      return whole('BIGINT');
    case 13:
      return of('USMALLINT');
    case 4:
      return of('FLOAT', numberText);
    case 5:
      return of('DOUBLE', numberText);
    case 0:
    case 246: {
      // The sign and the point count in the length.
      const digits = columnLength - (decimals > 0 ? 1 : 0) - (isUnsigned ? 0 : 1);
      if (digits >= 1 && digits <= MAX_DIGITS) return of(`DECIMAL(${digits},${decimals})`);
      return { column: { name, type: 'DECIMAL(38,10)', late: 'decimal' }, text: String };
    }
    case 10:
    case 14:
      return of('DATE');
    case 11:
      return of('TIME');
    case 12:
      return of('TIMESTAMP');
    case 7:
      // The session's zone is UTC.
      return of('TIMESTAMP WITH TIME ZONE', String, `${VALUE} || '+00'`);
    case 16:
      return of('UBIGINT', bitsText);
    case 245:
    case 6:
      return of('VARCHAR');
    case 15:
    case 247:
    case 248:
    case 249:
    case 250:
    case 251:
    case 252:
    case 253:
    case 254:
      return characterSet === BINARY_CHARACTERS
        ? of(
            'BLOB',
            (value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value))).toString('hex'),
            `unhex(${VALUE})`,
          )
        : of('VARCHAR');
    default:
      throw refuseType(name, `number ${columnType}`, connection, `CAST(\`${name}\` AS CHAR)`);
  }
}

function numberText(value: unknown): string {
  return Object.is(value, -0) ? '-0.0' : String(value);
}

function bitsText(value: unknown): string {
  return Buffer.isBuffer(value) ? BigInt(`0x${value.toString('hex') || '0'}`).toString() : String(value);
}
