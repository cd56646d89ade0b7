/**
 * The one spelling of a JSON value, for hashing: no white space, members sorted by the UTF-16 code units of their names,
 * numbers and strings as ECMAScript writes them (RFC 8785). Members that are undefined are left out.
 *
 * Throws TypeError for what JSON cannot hold: NaN, infinities, bigint, functions, undefined in a list.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`JSON cannot hold ${typeof value === 'number' ? value : typeof value}`);
}
