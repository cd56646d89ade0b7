/** Names of a flag, separated by commas; `\,` is a comma inside a name. */
export function splitList(text: string): string[] {
  return text.split(/(?<!\\),/).map((item) => item.replaceAll('\\,', ',').trim());
}
