import { createReadStream, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Program, spawnChild } from '../compute/local/spawn-child.ts';
import { Failure, failureFromReport } from '../core/errors.ts';
import { MANIFEST_FILE } from '../core/manifest.ts';
import type { JobDetail } from '../core/wire.ts';
import type { TableSource } from '../data/table-reader.ts';
import type { JobFiles, ServedFile, TableFormat } from '../manager/job-files.ts';
import { workspaceOf } from '../manager/layout.ts';
import type { ManagerSettings } from '../manager/manager-deps.ts';
import type { Storage } from '../storage/storage.ts';
import { type ExportMessage, type ExportRequest, exportRequestText } from './commands/export.ts';
import { rejectsOf, resultOf } from './job-files.ts';
import { rejectSource } from './reject-source.ts';

export interface JobFilesDeps {
  readonly storage: Storage;
  readonly settings: Pick<ManagerSettings, 'workspaceKey'>;
  readonly program: Program;
  readonly scratch: string;
}

/**
 * The files of jobs on this machine's disk. The rows of a job are made one file by a process of its own, once for each
 * format, in the workspace of the job, with which the file goes.
 */
export function createJobFiles(deps: JobFilesDeps): JobFiles {
  const underWay = new Map<string, Promise<void>>();

  async function exported(
    { job }: JobDetail,
    what: 'results' | 'rejects',
    format: TableFormat,
    sources: readonly TableSource[],
  ): Promise<ServedFile> {
    const workspace = await deps.storage.localPath(
      workspaceOf(deps.settings as ManagerSettings, { tenant: job.tenant, jobId: job.job_id }),
    );
    const to = join(workspace, 'exports', `${what}.${format}`);
    if (!existsSync(to)) {
      const making = underWay.get(to) ?? exportInProcess({ sources, format, to }, deps);
      underWay.set(to, making);
      await making.finally(() => underWay.delete(to));
    }
    return served(to);
  }

  return {
    async results(detail, format) {
      const { files, columns } = resultOf(detail);
      const paths = files.flatMap(({ kind, path }) => (kind === 'part' ? [path] : []));
      return exported(detail, 'results', format, [{ paths, columns: null, stored: columns }]);
    },
    async rejects(detail, format) {
      const found = rejectsOf(detail);
      if (found === null || found.files.length === 0) return null;
      return exported(detail, 'rejects', format, [rejectSource(found)]);
    },
    async manifest(detail) {
      resultOf(detail);
      return served(join(detail.job.output.published?.location ?? '', MANIFEST_FILE));
    },
    async log({ log_file: path }) {
      return existsSync(path) ? served(path) : null;
    },
  };
}

function served(path: string): ServedFile {
  const { size, mtimeMs } = statSync(path);
  return {
    sizeBytes: size,
    tag: `${size.toString(36)}-${Math.floor(mtimeMs * 1_000).toString(36)}`,
    // A file that grows meanwhile, as a log does, is read as far as it was announced.
    read: (start, end) =>
      createReadStream(path, start < end ? { start, end: end - 1 } : { start: size, end: size }),
  };
}

function exportInProcess(request: ExportRequest, { program, scratch }: JobFilesDeps): Promise<void> {
  mkdirSync(dirname(request.to), { recursive: true });
  const requestFile = `${request.to}.request.json`;
  writeFileSync(requestFile, exportRequestText(request));
  const { process: child } = spawnChild(program, ['export', '--request', requestFile, '--storage', '/'], {
    token: '',
    logFile: join(scratch, 'export.log'),
    scratch,
    channel: true,
  });
  return new Promise<void>((resolve, reject) => {
    let outcome: ExportMessage | null = null;
    child.on('message', (message: ExportMessage) => {
      outcome = message;
    });
    const ended = () => {
      rmSync(requestFile, { force: true });
      if (outcome?.type === 'done') resolve();
      else if (outcome?.type === 'refused') reject(failureFromReport(outcome.failure));
      else
        reject(
          new Failure('WORKER_FAILED', 'The process that gathers the rows ended without an answer.', {
            next: 'Ask again.',
          }),
        );
    };
    child.once('close', ended);
    child.once('error', ended);
  });
}
