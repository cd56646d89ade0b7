import type { ModelChoices } from '../core/choose-version.ts';
import { type ModelVersion, totalBytes, versionText } from '../core/model-version.ts';
import type { ModelDetail, ModelListItem, ModelVersionView } from '../core/model-wire.ts';
import { storedFiles } from '../registry/embedded/stored-model.ts';
import type { AliasMove, ModelJob, ModelSummary } from '../state/models/models.ts';
import { registryStoreOf } from './layout.ts';
import type { ManagerSettings } from './manager-deps.ts';

/** Models as the API shows them. */
export function versionView(model: ModelVersion, settings: ManagerSettings): ModelVersionView {
  const { bytes, contract, removed } = model;
  return {
    name: model.name,
    version: model.version,
    reference: versionText(model),
    sha256: bytes.sha256,
    size_bytes: totalBytes(bytes),
    files: storedFiles(registryStoreOf(settings, model.tenant), bytes).map((file) => ({
      key: file.key,
      size_bytes: file.sizeBytes,
      sha256: file.sha256,
    })),
    signature: model.signature,
    features: contract.features ?? null,
    key: contract.key ?? null,
    outputs: contract.outputs ?? null,
    tags: model.tags,
    description: model.description,
    created_at: iso(model.createdMs),
    created_by: model.createdBy,
    removed_at: removed === null ? null : iso(removed.atMs),
    removed_by: removed === null ? null : removed.by,
  };
}

export function listItemView({ name, versions, latest, aliases }: ModelSummary): ModelListItem {
  return {
    name,
    latest: latest.version,
    versions,
    aliases,
    description: latest.description,
    size_bytes: totalBytes(latest.bytes),
    created_at: iso(latest.createdMs),
  };
}

export function modelDetailView(
  detail: {
    readonly name: string;
    readonly choices: ModelChoices;
    readonly selected: ModelVersion | null;
    readonly versions: readonly ModelVersion[];
    readonly more: boolean;
    readonly moves: readonly AliasMove[];
    readonly jobs: readonly ModelJob[];
  },
  settings: ManagerSettings,
): ModelDetail {
  return {
    name: detail.name,
    aliases: detail.choices.aliases,
    versions: detail.versions.map((model) => ({
      version: model.version,
      created_at: iso(model.createdMs),
      created_by: model.createdBy,
      size_bytes: totalBytes(model.bytes),
      sha256: model.bytes.sha256,
      removed_at: model.removed === null ? null : iso(model.removed.atMs),
    })),
    next_before: detail.more ? (detail.versions.at(-1)?.version ?? null) : null,
    alias_moves: detail.moves.map(({ alias, from, to, atMs, by }) => ({
      alias,
      from,
      to,
      at: iso(atMs),
      by,
    })),
    selected: detail.selected === null ? null : versionView(detail.selected, settings),
    jobs: detail.jobs.map((job) => ({
      job_id: job.jobId,
      name: job.name,
      status: job.state,
      alias: job.alias,
      created_at: iso(job.createdMs),
    })),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
