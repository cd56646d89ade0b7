import pino from 'pino';

/** Structured logs. `info(fields, message)`. */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'> & { child(fields: object): Log };

/** Fields whose values never reach a log, wherever they stand. */
const SECRET_FIELDS = ['token', 'authorization', 'password', 'secret', 'api_key', 'apiKey'];

/** A log that appends JSON lines to a file; lines are written at once, so that a kill loses none. */
export function openFileLog(path: string, fields: object): Log {
  return openLog({ dest: path, mkdir: true, sync: true, append: true }, fields);
}

/** A log to the process's standard error, for workers and tasks, whose parent collects it. */
export function openStderrLog(fields: object): Log {
  return openLog({ dest: 2, sync: true }, fields);
}

function openLog(to: Parameters<typeof pino.destination>[0], fields: object): Log {
  const stream = pino.destination(to);
  // A log that cannot be written (the disk is full) is no reason to end a job.
  stream.on('error', () => {});
  return pino(
    {
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: redactPaths(), censor: '[secret]' },
    },
    stream,
  );
}

function redactPaths(): string[] {
  return SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
}
