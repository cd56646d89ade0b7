import { Failure } from './errors.ts';
import { listed } from './find-column.ts';
import { type ModelReference, modelReferenceText } from './model-reference.ts';
import { nearest } from './nearest.ts';

/** What there is to choose from under one name. */
export interface ModelChoices {
  readonly aliases: readonly { readonly alias: string; readonly version: number }[];
  /** Newest first, without removed ones; not all of them, if there are many. */
  readonly versions: readonly number[];
}

/**
 * Which version a reference means: the one it names, the one its alias stands for; for a bare name that of the alias
 * `default`, else the only version there is.
 *
 * Fails with MODEL_NOT_FOUND, or MODEL_AMBIGUOUS naming the choices. Whether a version that is named exists is the
 * caller's to find out.
 */
export function chooseVersion(
  reference: ModelReference,
  choices: ModelChoices,
): { readonly version: number; readonly alias: string | null } {
  const { name, selector } = reference;
  if (selector !== null && 'version' in selector) return { version: selector.version, alias: null };
  const wanted = selector?.alias ?? DEFAULT_ALIAS;
  const found = choices.aliases.find(({ alias }) => alias === wanted);
  if (found !== undefined) return { version: found.version, alias: found.alias };
  if (selector !== null) throw noSuchAlias(name, selector.alias, choices);
  const [only, another] = choices.versions;
  if (only === undefined) throw noVersions(name);
  if (another === undefined) return { version: only, alias: null };
  throw new Failure(
    'MODEL_AMBIGUOUS',
    `${name} has several versions and no alias '${DEFAULT_ALIAS}'. There is: ${choicesText(name, choices)}.`,
    {
      place: { field: 'model_id' },
      next: `Name one of them, or: batchwright model alias ${name} ${DEFAULT_ALIAS} ${only}`,
    },
  );
}

const DEFAULT_ALIAS = 'default';

/** `near`: names there are, for "did you mean"; `aliasesOf`: the aliases of one of them, which may be misspelt, too. */
export async function noSuchModel(
  reference: ModelReference,
  near: readonly string[],
  aliasesOf: (name: string) => Promise<readonly string[]>,
): Promise<Failure> {
  const name = nearest(reference.name, near);
  const meant =
    name === undefined ? undefined : modelReferenceText(await spelled(reference, name, aliasesOf));
  const names = near.length === 0 ? 'There are none yet.' : `There is: ${listed(near)}.`;
  return notFound(
    `There is no model '${reference.name}' in the registry.${meant === undefined ? '' : ` Did you mean '${meant}'?`} ${names}`,
    near.length === 0
      ? `batchwright model add ${reference.name} model.onnx; or, for a file, its path: ./${reference.name}.onnx`
      : '`batchwright model list` lists them; a file is named by its path (./model.onnx).',
  );
}

/** The reference under that name, with the alias of it that the one given is nearest to, or with none. */
async function spelled(
  { selector }: ModelReference,
  name: string,
  aliasesOf: (name: string) => Promise<readonly string[]>,
): Promise<ModelReference> {
  if (selector === null || 'version' in selector) return { name, selector };
  const alias = nearest(selector.alias, await aliasesOf(name));
  return { name, selector: alias === undefined ? null : { alias } };
}

export function noSuchVersion(name: string, version: number, choices: ModelChoices): Failure {
  if (choices.versions.length === 0) return noVersions(name);
  return notFound(
    `${name} has no version ${version}. There is: ${choicesText(name, choices)}.`,
    `batchwright model show ${name}`,
  );
}

function noSuchAlias(name: string, alias: string, choices: ModelChoices): Failure {
  if (choices.versions.length === 0) return noVersions(name);
  const meant = nearest(
    alias,
    choices.aliases.map((other) => other.alias),
  );
  const newest =
    alias.toLowerCase() === 'latest' ? ` Its newest version is ${name}@${choices.versions[0]}.` : '';
  return notFound(
    `${name} has no alias '${alias}'.${newest}${meant === undefined ? '' : ` Did you mean '${name}@${meant}'?`} There is: ${choicesText(name, choices)}.`,
    `batchwright model show ${name}`,
  );
}

function noVersions(name: string): Failure {
  return notFound(`All versions of ${name} were removed.`, `batchwright model show ${name} tells them.`);
}

function choicesText(name: string, { aliases, versions }: ModelChoices): string {
  return listed([
    ...aliases.map(({ alias, version }) => `${name}@${alias} (version ${version})`),
    ...versions.slice(0, SHOWN).map((version) => `${name}@${version}`),
    ...(versions.length > SHOWN ? ['...'] : []),
  ]);
}

const SHOWN = 10;

function notFound(message: string, next: string): Failure {
  return new Failure('MODEL_NOT_FOUND', message, { place: { field: 'model_id' }, next });
}
