import { expect, test } from 'vitest';
import { type Json, openApiDocument } from './openapi.ts';
import { referencePage } from './reference-page.ts';
import { apiRoutes, type ServerDeps } from './server.ts';

const routes = apiRoutes({ manager: {}, clock: {}, limits: {} } as unknown as ServerDeps);
const document = openApiDocument(routes, '1.2.3');
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test('every route is in the document once, by its own name', () => {
  expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(
    routes.map(({ id }) => id).sort(),
  );
  expect(document.openapi).toBe('3.1.0');
});

test('what a path holds in braces is declared, and nothing else', () => {
  for (const { path, operation } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters as readonly Json[])
      .filter((each) => each.in === 'path')
      .map(({ name }) => name);
    expect(declared, path).toEqual(inPath);
  }
});

test('every operation says what it answers, how errors look, and who may', () => {
  for (const { path, operation } of operations) {
    expect(Object.keys(operation.responses as Json), path).toContain('default');
    expect(operation.security, path).toHaveLength(path.startsWith('/api') || path === '/metrics' ? 1 : 0);
    expect(operation.summary).toMatch(/^[A-Z]/);
  }
});

test('the body of a submission is the job specification, key by key', () => {
  const post = document.paths['/api/v1/inference/batch']?.post as { requestBody: Json };
  expect(JSON.stringify(post.requestBody)).toContain('"error_budget"');
  expect(post.requestBody).toMatchObject({
    required: true,
    content: { 'application/json': { schema: { required: ['model_id', 'input', 'output'] } } },
  });
});

test('the document holds plain JSON, and each reference leads somewhere in it', () => {
  const text = JSON.stringify(document);
  expect(JSON.parse(text)).toEqual(document);
  const { schemas } = document.components as { schemas: Json };
  const names = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, to = '']) => to);
  expect(names.length).toBeGreaterThan(30);
  for (const name of names) expect(Object.keys(schemas)).toContain(name.replace('#/components/schemas/', ''));
  expect(text.includes('$defs')).toBe(false);
});

test('the page needs no script and nothing from elsewhere, and shows every route and code', () => {
  const page = referencePage(document);
  expect(page).not.toMatch(/<script|https?:\/\/|src=/);
  for (const { id } of routes) expect(page).toContain(`id="${id}"`);
  expect(page).toContain('id="IDEMPOTENCY_CONFLICT"');
});
