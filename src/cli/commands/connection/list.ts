import type { ConnectionSpec } from '../../../spec/connections.ts';
import { readConfiguration } from '../../config-file.ts';
import { findConfigFile } from '../../find-config-file.ts';
import type { Output } from '../../output.ts';
import { formatTable, type TableColumn } from '../../table.ts';
import { oneLine } from '../../visible-text.ts';

/** Lists what the configuration declares. Nothing is connected to, and no secret is looked up. */
export async function connectionListCommand(named: string | undefined, output: Output): Promise<number> {
  const file = findConfigFile(named);
  const { connections } = readConfiguration(file);
  const list = Object.entries(connections).map(([name, spec]) => ({
    name,
    kind: spec.kind,
    address: addressOf(spec),
    password: passwordOf(spec),
    tls: 'tls' in spec && spec.tls !== undefined ? (spec.tls.verify ? 'verified' : 'not verified') : null,
  }));
  const rows = list.map(({ name, kind, address, password, tls }) => [
    name,
    kind,
    oneLine(address),
    password ?? '-',
    tls ?? '-',
  ]);
  const nothing =
    file === null
      ? 'There is no batchwright.yaml here; docs/sql-sources.md shows how connections are declared.'
      : `${file} declares no connections.`;
  output.result(rows.length === 0 ? nothing : formatTable(COLUMNS, rows, output.width), {
    file,
    connections: list,
  });
  return 0;
}

const COLUMNS: readonly TableColumn[] = [
  { header: 'NAME' },
  { header: 'KIND' },
  { header: 'ADDRESS', least: 16 },
  { header: 'PASSWORD', leaveOut: 1 },
  { header: 'TLS', leaveOut: 2 },
];

function addressOf(spec: ConnectionSpec): string {
  if (!('host' in spec)) return spec.path;
  const { user, host, port, socket, database } = spec;
  return `${user}@${socket ?? `${host}:${port}`}/${database}`;
}

/** Where it comes from. */
function passwordOf(spec: ConnectionSpec): string | null {
  if (!('host' in spec) || spec.password === undefined) return null;
  const { password } = spec;
  if ('env' in password) return `env ${password.env}`;
  if ('file' in password) return `file ${password.file}`;
  return `exec ${password.exec[0]}`;
}
