import { chooseVersion, noSuchModel, noSuchVersion } from '../core/choose-version.ts';
import { Failure } from '../core/errors.ts';
import { checkedAlias, checkedModelName, type ModelReference } from '../core/model-reference.ts';
import { versionText } from '../core/model-version.ts';
import type {
  AddModelAnswer,
  AddModelRequest,
  ModelDetail,
  ModelList,
  MoveAliasAnswer,
  RemoveModelAnswer,
} from '../core/model-wire.ts';
import { storedFiles } from '../registry/embedded/stored-model.ts';
import type { RegisteredModel } from '../registry/registry.ts';
import type { Models } from '../state/models/models.ts';
import type { Storage } from '../storage/storage.ts';
import { registryStoreOf } from './layout.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { checkContract } from './model-contract.ts';
import { listItemView, modelDetailView, versionView } from './model-views.ts';

/** The model registry, for people and their programs. Names that a caller may have mistyped are answered with suggestions. */
export interface ModelService {
  /** Registers bytes that are in the storage. The same again is the same version. */
  add(tenant: string, name: string, request: AddModelRequest): Promise<AddModelAnswer>;
  list(tenant: string, page: { after: string | null; limit: number }): Promise<ModelList>;
  show(
    tenant: string,
    reference: ModelReference,
    page: { before: number | null; limit: number },
  ): Promise<ModelDetail>;
  /** `version` null takes the alias away. */
  moveAlias(
    tenant: string,
    name: string,
    move: { alias: string; version: number | null; by: string | null },
  ): Promise<MoveAliasAnswer>;
  remove(
    tenant: string,
    name: string,
    version: number,
    how: { force: boolean; by: string | null },
  ): Promise<RemoveModelAnswer>;
  /** Removes bytes that no version and no unfinished job needs any more. */
  clean(): Promise<void>;
}

const JOBS_SHOWN = 5;
const MOVES_SHOWN = 20;

export function createModelService({
  models,
  storage,
  clock,
  settings,
}: Pick<ManagerDeps, 'models' | 'storage' | 'clock' | 'settings'>): ModelService {
  /** Adding looks whether bytes are there, cleaning takes them away: one after the other. */
  let bytesTail: Promise<unknown> = Promise.resolve();
  const alone = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = bytesTail.then(work);
    bytesTail = result.catch(() => undefined);
    return result;
  };
  const clean = () =>
    alone(async () => {
      for (const unused of await models.unusedModelBytes()) {
        await storage.remove(`${registryStoreOf(settings, unused.tenant)}/${unused.folder}`);
        await models.modelBytesGone(unused, clock.nowMs());
      }
    });

  return {
    async add(tenant, givenName, request) {
      const name = checkedModelName(givenName);
      const alias = request.alias === null ? null : checkedAlias(request.alias);
      const { bytes, signature, tags, description, by } = request;
      const contract = checkContract(signature, request);
      const outcome = await alone(async () => {
        await requireBytes(storedFiles(registryStoreOf(settings, tenant), bytes), storage);
        return models.addModelVersion({
          tenant,
          name,
          bytes,
          signature,
          contract,
          tags,
          description,
          alias,
          createdMs: clock.nowMs(),
          createdBy: by,
        });
      });
      return { added: outcome.kind === 'added', model: versionView(outcome.model, settings) };
    },

    async list(tenant, { after, limit }) {
      const page = await models.models(tenant, { after, limit: limit + 1 });
      const shown = page.slice(0, limit);
      return {
        models: shown.map(listItemView),
        next: page.length > limit ? (shown.at(-1)?.name ?? null) : null,
      };
    },

    async show(tenant, reference, { before, limit }) {
      const { name } = reference;
      const choices = await models.modelChoices(tenant, name);
      if (choices === null) throw await unknownModel(tenant, reference, models);
      const selected = await selectedVersion(tenant, reference, models);
      const versions = await models.modelVersions(tenant, name, { before, limit: limit + 1 });
      return modelDetailView(
        {
          name,
          choices,
          selected,
          versions: versions.slice(0, limit),
          more: versions.length > limit,
          moves: await models.modelAliasMoves(tenant, name, MOVES_SHOWN),
          jobs: selected === null ? [] : await models.modelJobs(tenant, name, selected.version, JOBS_SHOWN),
        },
        settings,
      );
    },

    async moveAlias(tenant, name, { alias, version, by }) {
      checkedAlias(alias);
      const choices = await models.modelChoices(tenant, name);
      if (choices === null) throw await unknownModel(tenant, { name, selector: null }, models);
      // Says so, with the aliases there are, where there is none to be taken away.
      if (version === null) chooseVersion({ name, selector: { alias } }, choices);
      const outcome = await models.moveModelAlias({ tenant, name, alias, version, by, nowMs: clock.nowMs() });
      if (outcome.kind === 'no-version') throw noSuchVersion(name, version ?? 0, choices);
      return outcome.kind === 'moved'
        ? { alias, from: outcome.from, to: version, moved: true }
        : { alias, from: version, to: version, moved: false };
    },

    async remove(tenant, name, version, { force, by }) {
      const choices = await models.modelChoices(tenant, name);
      if (choices === null) throw await unknownModel(tenant, { name, selector: { version } }, models);
      const outcome = await models.removeModelVersion({
        tenant,
        name,
        version,
        force,
        by,
        nowMs: clock.nowMs(),
      });
      if (outcome.kind === 'no-version') throw noSuchVersion(name, version, choices);
      if (outcome.kind === 'in-use') throw inUse(name, version, outcome);
      await clean();
      const model = await models.modelVersion(tenant, name, version);
      const [main] = storedFiles(registryStoreOf(settings, tenant), present(model).bytes);
      return { removed: outcome.kind === 'removed', bytes_kept: (await storage.stat(main.key)) !== null };
    },

    clean,
  };
}

/** For `Registry`: the version that a job which names it gets. Fails with MODEL_NOT_FOUND or MODEL_AMBIGUOUS. */
export async function findModel(
  tenant: string,
  reference: ModelReference,
  models: Models,
): Promise<RegisteredModel> {
  const { name } = reference;
  const choices = await models.modelChoices(tenant, name);
  if (choices === null) throw await unknownModel(tenant, reference, models);
  const { version, alias } = chooseVersion(reference, choices);
  const model = await models.modelVersion(tenant, name, version);
  if (model === null) throw noSuchVersion(name, version, choices);
  if (model.removed !== null) {
    const when = new Date(model.removed.atMs).toISOString().slice(0, 10);
    throw new Failure('MODEL_NOT_FOUND', `${versionText(model)} was removed on ${when}.`, {
      place: { field: 'model_id' },
      next: `batchwright model show ${name}`,
    });
  }
  return { model, alias };
}

/** Unlike for a job, a version that was removed can be looked at, and a bare name need not say which. */
async function selectedVersion(tenant: string, reference: ModelReference, models: Models) {
  const { name, selector } = reference;
  if (selector !== null && 'version' in selector) {
    const model = await models.modelVersion(tenant, name, selector.version);
    if (model !== null) return model;
  }
  try {
    return (await findModel(tenant, reference, models)).model;
  } catch (error) {
    if (selector === null && error instanceof Failure) return null;
    throw error;
  }
}

async function requireBytes(files: ReturnType<typeof storedFiles>, storage: Storage): Promise<void> {
  for (const { key, sizeBytes } of files) {
    const found = await storage.stat(key);
    if (found?.sizeBytes === sizeBytes) continue;
    const what =
      found === null ? 'is not in the storage' : `has ${found.sizeBytes} bytes instead of ${sizeBytes}`;
    throw new Failure('MODEL_CORRUPT', `The file ${key} of the model ${what}.`, {
      place: { file: key },
      next: 'Run the same command again: it brings the bytes into the storage first.',
    });
  }
}

function inUse(
  name: string,
  version: number,
  { aliases, jobs }: { readonly aliases: readonly string[]; readonly jobs: readonly string[] },
): Failure {
  const what = [
    ...(aliases.length > 0 ? [`it is ${aliases.map((alias) => `${name}@${alias}`).join(', ')}`] : []),
    ...(jobs.length > 0 ? [`unfinished jobs use it: ${jobs.slice(0, 5).join(', ')}`] : []),
  ];
  return new Failure('MODEL_IN_USE', `${name}@${version} is in use: ${what.join('; ')}.`, {
    place: { field: 'model' },
    next:
      aliases.length > 0
        ? `Move the alias first (batchwright model alias ${name} ${aliases[0]} <version>), or remove both with --force.`
        : 'Let the jobs end, or take it away from new jobs only, with --force.',
  });
}

/** For "did you mean". */
const NAMES = 500;

async function unknownModel(tenant: string, reference: ModelReference, models: Models): Promise<Failure> {
  const known = await models.models(tenant, { after: null, limit: NAMES });
  return await noSuchModel(
    reference,
    known.map(({ name }) => name),
    async (name) => (await models.modelChoices(tenant, name))?.aliases.map(({ alias }) => alias) ?? [],
  );
}

function present<Value>(value: Value | null): Value {
  if (value === null) throw new Error('a version of a model stays on record');
  return value;
}
