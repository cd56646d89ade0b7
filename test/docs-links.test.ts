import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { documentationPages, ROOT } from './support/documentation-pages.ts';

const DECISIONS = readdirSync(join(ROOT, 'docs/adr')).map((name) => `docs/adr/${name}`);
const PAGES = [...documentationPages(), ...DECISIONS];

test.each(PAGES)('%s: no link leads nowhere', (page) => {
  const dead = linksOf(page).filter(({ target }) => !leadsSomewhere(page, target));
  expect(dead).toEqual([]);
});

test('the index leads to every page of docs/', () => {
  const linked = new Set(
    linksOf('docs/README.md').map(({ target }) =>
      relative(ROOT, join(ROOT, 'docs', target.split('#')[0] ?? '')),
    ),
  );
  const pages = documentationPages().filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
  expect(pages.filter((page) => !linked.has(page))).toEqual([]);
});

function linksOf(page: string): { target: string; line: number }[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return withoutCode(text)
    .split('\n')
    .flatMap((content, at) =>
      [...content.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ target, line: at + 1 })),
    )
    .filter(({ target }) => !/^[a-z]+:/.test(target));
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  return statSync(file).isFile() && anchorsOf(readFileSync(file, 'utf8')).has(anchor);
}

/** The names under which GitHub finds headings: lower case, without punctuation, spaces as hyphens; the second of a name gets -1. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutCode(markdown).matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    let anchor = plain;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${plain}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Fenced blocks emptied line by line, so that numbers of lines stay. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^(`{3,}).*\n[\s\S]*?^\1$/gm, (block) => block.replace(/[^\n]/g, ''));
}
