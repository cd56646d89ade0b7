import type { Output } from '../../output.ts';
import { userName } from '../../user-name.ts';
import { withModels } from './with-models.ts';

/** Moves an alias to a version; null takes it away. */
export async function modelAliasCommand(
  {
    name,
    alias,
    version,
  }: { readonly name: string; readonly alias: string; readonly version: number | null },
  state: string,
  output: Output,
): Promise<number> {
  return withModels(state, async (models) => {
    const answer = await models.moveAlias(name, { alias, version, by: userName() });
    const was = answer.from === null ? '' : ` (it was ${name}@${answer.from})`;
    const now =
      version === null
        ? `${name}@${alias} is taken away${was}.`
        : answer.moved
          ? `${name}@${alias} is ${name}@${version} now${was}.`
          : `${name}@${alias} is ${name}@${version} already.`;
    output.result(now, answer);
    return 0;
  });
}
