import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { ServedFile } from '../manager/job-files.ts';

export const rangeHeader = z.object({
  range: z.string().max(200).optional().meta({ description: 'One range of bytes.' }),
  'if-range': z.string().max(200).optional().meta({ description: 'The ETag that the range is of.' }),
  'if-none-match': z.string().max(1_000).optional().meta({ description: 'An ETag.' }),
});

interface Wanted {
  readonly headers: z.output<typeof rangeHeader>;
  readonly name: string;
  readonly type: string;
}

/** Answers with a file, or the range of it that is asked for (RFC 9110, section 14); with 204 for null. */
export async function sendFile(
  reply: FastifyReply,
  file: ServedFile | null,
  { headers, name, type }: Wanted,
): Promise<FastifyReply> {
  if (file === null) return reply.code(204).send();
  const tag = `"${file.tag}"`;
  void reply.header('etag', tag).header('accept-ranges', 'bytes');
  if (headers['if-none-match']?.split(/\s*,\s*/).includes(tag) === true) return reply.code(304).send();
  const sameFile = headers['if-range'] === undefined || headers['if-range'] === tag;
  const range = sameFile && headers.range !== undefined ? parseRange(headers.range, file.sizeBytes) : null;
  if (range === 'unsatisfiable')
    return reply.code(416).header('content-range', `bytes */${file.sizeBytes}`).send();
  const { start, end } = range ?? { start: 0, end: file.sizeBytes };
  void reply
    .code(range === null ? 200 : 206)
    .header('content-length', end - start)
    .header('content-disposition', `attachment; filename="${name}"`)
    .type(type);
  if (range !== null) void reply.header('content-range', `bytes ${start}-${end - 1}/${file.sizeBytes}`);
  return reply.send(file.read(start, end));
}

/** [start, end); null: all of it, as for what is not understood and for several ranges. */
function parseRange(
  text: string,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | null {
  const [whole, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  if (whole === undefined || (first === '' && last === '')) return null;
  if (first === '') {
    const start = Math.max(0, sizeBytes - Number(last));
    return start < sizeBytes ? { start, end: sizeBytes } : 'unsatisfiable';
  }
  if (last !== '' && Number(last) < Number(first)) return null;
  const end = last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  return Number(first) < sizeBytes ? { start: Number(first), end } : 'unsatisfiable';
}
