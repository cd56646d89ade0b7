/** What a type, as DuckDB prints it, is made of. */
export type NestedType =
  | { readonly kind: 'plain'; readonly type: string }
  | { readonly kind: 'list'; readonly of: string }
  | { readonly kind: 'struct'; readonly members: readonly { readonly name: string; readonly type: string }[] }
  | { readonly kind: 'map'; readonly key: string; readonly value: string };

/** One level of it: members are types as text again. */
export function nestedType(type: string): NestedType {
  if (type.endsWith('[]')) return { kind: 'list', of: type.slice(0, -2) };
  const [, kind, inner] = /^(STRUCT|MAP)\((.*)\)$/s.exec(type) ?? [];
  if (kind === undefined || inner === undefined) return { kind: 'plain', type };
  const parts = splitTopLevel(inner);
  if (kind === 'STRUCT') return { kind: 'struct', members: parts.map(memberOf) };
  const [key = '', value = ''] = parts;
  return { kind: 'map', key, value };
}

/** Splits at commas that stand outside of brackets and quotes. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

/** A struct's member: its name, which is quoted where it has to be, then its type. */
function memberOf(member: string): { name: string; type: string } {
  const [, written = '', type = ''] = /^("(?:[^"]|"")*"|\S+)\s+(.*)$/s.exec(member) ?? [];
  const name = written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written;
  return { name, type };
}
