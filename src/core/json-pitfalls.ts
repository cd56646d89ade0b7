/** What a JSON text holds that one reader takes for this and another for that; `pointer` (RFC 6901) is where. */
export interface JsonPitfall {
  readonly pointer: string;
  readonly what: string;
}

/** Deeper than anything we take. */
const MOST_LEVELS = 64;

/**
 * The first key that stands twice in one object, or nesting of more than 64 levels, in a text that `JSON.parse` accepts;
 * null: there is neither. `JSON.parse` itself takes the last of two keys in silence.
 */
export function jsonPitfall(text: string): JsonPitfall | null {
  const levels: Level[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    const level = levels.at(-1);
    if (character === '"') {
      const end = endOfText(text, at);
      if (level?.keys !== undefined && level.awaitsKey) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        level.awaitsKey = false;
        level.part = key;
        if (level.keys.has(key)) return { pointer: pointerTo(levels), what: 'stands twice' };
        level.keys.add(key);
      }
      at = end;
    } else if (character === '{' || character === '[') {
      if (levels.length === MOST_LEVELS)
        return { pointer: pointerTo(levels), what: `is nested more than ${MOST_LEVELS} levels deep` };
      levels.push(
        character === '{'
          ? { keys: new Set(), awaitsKey: true, part: '' }
          : { keys: undefined, awaitsKey: false, part: 0 },
      );
    } else if (character === '}' || character === ']') {
      levels.pop();
    } else if (character === ',' && level !== undefined) {
      if (level.keys === undefined) level.part = (level.part as number) + 1;
      else level.awaitsKey = true;
    }
  }
  return null;
}

interface Level {
  /** Undefined: a list. */
  readonly keys: Set<string> | undefined;
  awaitsKey: boolean;
  part: string | number;
}

function endOfText(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function pointerTo(levels: readonly Level[]): string {
  return levels.map(({ part }) => `/${escapePointer(String(part))}`).join('');
}

/** A part of a JSON pointer. */
export function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}
