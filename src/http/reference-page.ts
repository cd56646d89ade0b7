import { ERROR_CODES } from '../core/error-codes.ts';
import type { Json, OpenApiDocument } from './openapi.ts';

/** The OpenAPI document as one page that needs nothing else: no scripts, nothing from elsewhere. */
export function referencePage({ info, paths }: OpenApiDocument): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const { title, version } = info as { title: string; version: string };
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)} API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>${escaped(title)} API <small>${escaped(version)}</small></h1>
<p>Every request carries <code>Authorization: Bearer bw_...</code>. What goes wrong is answered as a problem document (RFC 9457) with a
<code>code</code> of the <a href="#errors">list below</a>. The same as a document for programs: <a href="openapi.json">openapi.json</a>.</p>
<nav><ul>${operations
    .map(
      ({ path, method, operation }) =>
        `<li><a href="#${escaped(String(operation.operationId))}"><b>${method.toUpperCase()}</b> ${escaped(path)}</a> ${escaped(String(operation.summary))}</li>`,
    )
    .join('\n')}</ul></nav>
${operations.map(({ path, method, operation }) => section(path, method, operation)).join('\n')}
<h2 id="errors">Error codes</h2><table><tr><th>code</th><th>meaning</th><th>what to do</th></tr>
${Object.entries(ERROR_CODES)
  .map(
    ([code, { meaning, next }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${escaped(meaning)}</td><td>${escaped(next)}</td></tr>`,
  )
  .join('\n')}</table></body></html>
`;
}

function section(path: string, method: string, operation: Json): string {
  const parameters = operation.parameters as readonly {
    name: string;
    in: string;
    description?: string;
    schema: Json;
  }[];
  const body =
    (operation.requestBody as { content?: Record<string, { schema?: Json }> } | undefined)?.content ?? {};
  const responses = Object.entries(
    operation.responses as Record<
      string,
      { description: string; content?: Record<string, { schema?: Json }> }
    >,
  );
  return `<section id="${escaped(String(operation.operationId))}"><h2><b>${method.toUpperCase()}</b> ${escaped(path)}</h2>
<p>${escaped(String(operation.summary))}. ${escaped(String(operation.description ?? ''))}</p>
${parameters.length === 0 ? '' : `<table>${parameters.map((each) => `<tr><td><code>${escaped(each.name)}</code></td><td>${each.in}</td><td>${escaped(each.description ?? '')}</td></tr>`).join('')}</table>`}
${Object.entries(body)
  .map(([type, { schema }]) => schemaBlock(`Body: ${type}`, schema))
  .join('')}
${responses
  .filter(([status]) => status !== 'default')
  .map(
    ([status, { description, content = {} }]) =>
      Object.entries(content)
        .map(([type, { schema }]) => schemaBlock(`${status} ${description} ${type}`, schema))
        .join('') || `<p>${status} ${escaped(description)}</p>`,
  )
  .join('\n')}</section>`;
}

function schemaBlock(title: string, schema: Json | undefined): string {
  if (schema === undefined) return `<p>${escaped(title)}</p>`;
  return `<details><summary>${escaped(title)}</summary><pre>${escaped(JSON.stringify(schema, null, 2))}</pre></details>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{font-size:1.1rem;margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}code,pre{font-family:ui-monospace,monospace;font-size:13px}
pre{background:#f4f4f4;padding:1rem;overflow:auto}table{border-collapse:collapse}td,th{border-bottom:1px solid #ddd;padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}
nav ul{list-style:none;padding:0}summary{cursor:pointer}b{color:#06c}`;
