/**
 * What is to be said when a job feeds a model other columns than its version was trained with, or in another order; null
 * when they agree. As everywhere, letter case of names does not count.
 */
export function featureDisagreement(
  reference: string,
  used: readonly string[],
  trained: readonly string[],
): string | null {
  const [ours, theirs] = [used, trained].map((names) => names.map((name) => name.toLowerCase()));
  if (ours === undefined || theirs === undefined) return null;
  const known = new Set(theirs);
  const given = new Set(ours);
  const extra = used.filter((name) => !known.has(name.toLowerCase()));
  const missing = trained.filter((name) => !given.has(name.toLowerCase()));
  if (extra.length + missing.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`without ${some(missing)}`] : []),
      ...(extra.length > 0 ? [`with ${some(extra)}`] : []),
    ];
    return `input.features names other columns than ${reference} was trained with: ${parts.join(' and ')}.`;
  }
  const at = ours.findIndex((name, index) => name !== theirs[index]);
  if (at < 0) return null;
  return `input.features has another order than ${reference} was trained with: ${used[at]} is number ${at + 1}, where it had ${trained[at]}.`;
}

function some(names: readonly string[]): string {
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
