interface Column {
  readonly name: string;
  readonly type: string;
}

const KEY_NAME = /^(id|key|uuid|guid|pk)$|(^|_)(id|key|uuid|guid)$|[a-z](Id|ID|Key)$/;

/** Fractions and times tell nothing apart for sure. */
const KEY_TYPES = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|VARCHAR|UUID)$/;

export function hasKeyName(column: string): boolean {
  return KEY_NAME.test(column);
}

export function hasKeyType({ type }: Column): boolean {
  return KEY_TYPES.test(type);
}

/** Columns that have the name and the type of a key. */
export function keysByName(columns: readonly Column[]): string[] {
  return columns.filter((column) => hasKeyType(column) && hasKeyName(column.name)).map(({ name }) => name);
}
