/** What stands for null in the name of a folder. */
const NULL_PARTITION = '__HIVE_DEFAULT_PARTITION__';

/**
 * The columns that the folders on a file's path give, as Hive, Spark and DuckDB write them: `year=2025/month=1/x.csv`.
 * Values are percent-decoded; null is `__HIVE_DEFAULT_PARTITION__`. A key that stands twice takes the inner value.
 */
export function partitionOf(path: string): ReadonlyMap<string, string | null> {
  const values = new Map<string, string | null>();
  for (const folder of path.split('/').slice(0, -1)) {
    const at = folder.indexOf('=');
    if (at < 1) continue;
    const value = decoded(folder.slice(at + 1));
    values.set(decoded(folder.slice(0, at)), value === NULL_PARTITION ? null : value);
  }
  return values;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
