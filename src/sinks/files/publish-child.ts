import {
  MANIFEST_PAYLOAD_TYPE,
  MANIFEST_PREDICATE_TYPE,
  MANIFEST_STATEMENT_TYPE,
  type ManifestFile,
} from '../../core/manifest.ts';
import type { DataEngine } from '../../data/engine.ts';
import { createLocalStorage } from '../../storage/local.ts';
import type { PublishRequest, SinkContext } from '../sink.ts';
import { portsOf } from './claim-contender.ts';
import { createFilesSink } from './files-sink.ts';

/** What a process of the tests is told, as JSON. */
export type ChildOrder = Omit<PublishRequest, 'manifest' | 'tenant' | 'adopt'> & {
  /** What an engine may read. */
  readonly root: string;
  /** Kill -9 at this step, when it is reached for the n-th time. */
  readonly killAt: { readonly step: string; readonly time: number } | null;
  readonly onlyCheck?: boolean;
};

/** The life of that process: publishes, and prints `done` or the code of the failure. */
async function obey(order: ChildOrder): Promise<void> {
  let times = 0;
  const sink = createFilesSink({
    storage: createLocalStorage({ root: '/' }),
    process: portsOf(`test:${process.pid}`),
    onStep(step) {
      if (step === order.killAt?.step && ++times === order.killAt.time) process.kill(process.pid, 'SIGKILL');
    },
  });
  const request = publishRequest(order);
  const context = { engine: engineWhenNeeded(order.root), signal: new AbortController().signal };
  try {
    if (order.onlyCheck) await sink.check(request);
    else await sink.publish(request, context);
    process.stdout.write('done');
  } catch (error) {
    process.stdout.write(String((error as { code?: string }).code ?? error));
  }
}

/** Only appending and other formats than Parquet look into files: the engine, which takes a while to load, is opened when it is needed. */
export function engineWhenNeeded(root: string): SinkContext['engine'] {
  const withEngine = async <Answer>(use: (engine: DataEngine) => Promise<Answer>): Promise<Answer> => {
    const { createDataEngine } = await import('../../data/duckdb-engine.ts');
    const engine = await createDataEngine({
      threads: 1,
      memoryLimitMb: 256,
      tempDir: root,
      allowed: [root],
    });
    try {
      return await use(engine);
    } finally {
      await engine[Symbol.asyncDispose]();
    }
  };
  return {
    describe: (paths, signal) => withEngine((engine) => engine.describe(paths, signal)),
    csvHead: (path) => withEngine((engine) => engine.csvHead(path)),
    writeText: (request) => withEngine((engine) => engine.writeText(request)),
  };
}

export function publishRequest(given: Omit<PublishRequest, 'manifest' | 'tenant' | 'adopt'>): PublishRequest {
  const { jobId } = given;
  return { ...given, tenant: 'default', adopt: false, manifest: async (files) => manifestOf(jobId, files) };
}

/** A manifest by its form; who signs it is no matter to a sink. */
function manifestOf(jobId: string, files: readonly ManifestFile[]): Uint8Array {
  const statement = {
    _type: MANIFEST_STATEMENT_TYPE,
    predicateType: MANIFEST_PREDICATE_TYPE,
    subject: files.map(({ path, sha256 }) => ({ name: path, digest: { sha256 } })),
    predicate: { job: { id: jobId }, columns: [{ name: 'n', type: 'INTEGER' }] },
  };
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return Buffer.from(JSON.stringify({ payloadType: MANIFEST_PAYLOAD_TYPE, payload, signatures: [] }));
}

if (import.meta.main) await obey(JSON.parse(process.argv[2] ?? ''));
