import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
} from 'yaml';
import type { Failure, FailureReport } from '../core/errors.ts';
import { failureOfProblems, specProblem } from './spec-problem.ts';
import { markedLine, yamlProblem } from './yaml-problem.ts';

/** A specification as it was written: plain values, and where each stands. */
export interface SpecDocument {
  readonly value: unknown;
  /** 1-based line of a field, or of the nearest thing around it that is there. */
  lineOf(path: SpecPath): number | undefined;
}

export type SpecPath = readonly (string | number)[];

/** A specification that names 5,000 columns has some 300 kB. */
const MAX_BYTES = 2 ** 20;
/** The deepest key of ours stands at 3; `provenance` may nest. */
const MAX_DEPTH = 32;
/** Parts of text as YAML's lexer sees them; a list of 5,000 columns, one a line, has 30,000. Reading so many takes a second. */
const MAX_LEXEMES = 200_000;

/**
 * Reads YAML 1.2, and so JSON. What a specification has no use for is refused, because each has been a way to make a
 * small file cost much or mean something else than it shows: anchors, aliases, merge keys, tags, directives, several
 * documents, keys that stand twice, keys that are not text, `__proto__`. 1 MiB, 32 levels and
 * 200,000 words and signs at most.
 *
 * Fails with SPEC_INVALID; all problems found are in its `problems`.
 */
export function readSpecDocument(text: string, file?: string): SpecDocument {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw refused(
      file,
      undefined,
      `is ${Buffer.byteLength(text)} bytes long; a job specification has at most ${MAX_BYTES}`,
    );
  }
  const lines = new LineCounter();
  const document = compose(text, file, lines);
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  if (document.errors.length > 0) {
    const found = yamlProblem(document.errors, text);
    throw failureOfProblems([
      {
        ...problem(file, found.line, `is not YAML: ${found.what}`),
        next: 'Correct the line shown.',
        details: markedLine(text, found),
      },
    ]);
  }
  return new Reader(file, lineAt).read(document.contents);
}

function compose(text: string, file: string | undefined, lines: LineCounter): Document.Parsed<ParsedNode> {
  refuseExcess(text, file);
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const directive = tokens.find((token) => token.type === 'directive');
  if (directive !== undefined)
    throw refused(file, lines.linePos(directive.offset).line, 'has a YAML directive (%); leave it out');
  // Our own check of keys below takes linear time; the library's compares each pair.
  const documents = [
    ...new Composer({ uniqueKeys: false, version: '1.2', schema: 'core', merge: false }).compose(tokens),
  ];
  const [first, second] = documents;
  if (second !== undefined) {
    throw refused(
      file,
      lines.linePos(second.range[0]).line,
      'holds more than one document (---); a job has one specification',
    );
  }
  if (first === undefined || first.contents === null) throw refused(file, undefined, 'is empty');
  return first as Document.Parsed<ParsedNode>;
}

/**
 * Counts parts and nesting on the lexer's flat output, before anything is built or recurses: open brackets, and the indicators of lists and
 * complex keys in one line. Nesting by indentation is counted by the reader: it needs ever longer lines.
 */
function refuseExcess(text: string, file: string | undefined): void {
  let brackets = 0;
  let indicators = 0;
  let line = 1;
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === '[' || lexeme === '{') brackets += 1;
    else if (lexeme === ']' || lexeme === '}') brackets -= 1;
    else if (lexeme === '-' || lexeme === '?') indicators += 1;
    lexemes += 1;
    if (lexemes > MAX_LEXEMES) throw refused(file, line, 'has too many parts to be a job specification');
    if (brackets > MAX_DEPTH || indicators > MAX_DEPTH) throw tooDeep(file, line);
    if (lexeme.includes('\n')) {
      indicators = 0;
      line += lexeme.split('\n').length - 1;
    }
  }
}

/** Turns the tree into plain values, noting the line of each field, and refuses what a specification has no use for. */
class Reader {
  private readonly lines = new Map<string, number>();
  private readonly problems: FailureReport[] = [];
  private readonly file: string | undefined;
  private readonly lineAt: (offset: number) => number;

  constructor(file: string | undefined, lineAt: (offset: number) => number) {
    this.file = file;
    this.lineAt = lineAt;
  }

  read(root: ParsedNode | null): SpecDocument {
    const value = this.value(root, []);
    if (this.problems.length > 0) throw failureOfProblems(this.problems);
    return { value, lineOf: (path) => lineOf(this.lines, path) };
  }

  private value(node: ParsedNode | null, path: SpecPath): unknown {
    if (node === null) return null;
    const line = this.lineAt(node.range[0]);
    if (!this.lines.has(key(path))) this.lines.set(key(path), line);
    if (path.length > MAX_DEPTH) throw tooDeep(this.file, line);
    if (isAlias(node))
      return this.refuse(
        line,
        `uses the alias *${node.source}; write the value out, a pattern in quotes: "*${node.source}"`,
      );
    if (node.anchor !== undefined) return this.refuse(line, `has the anchor &${node.anchor}; leave it out`);
    if (node.tag !== undefined) return this.refuse(line, `has the tag ${shortTag(node.tag)}; leave it out`);
    if (isSeq(node)) return node.items.map((item, at) => this.value(item as ParsedNode, [...path, at]));
    if (isMap(node))
      return this.map(node.items as readonly { key: ParsedNode; value: ParsedNode | null }[], path);
    return isScalar(node) ? node.value : null;
  }

  private map(
    items: readonly { key: ParsedNode; value: ParsedNode | null }[],
    path: SpecPath,
  ): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const item of items) {
      const line = this.lineAt(item.key.range[0]);
      const name =
        isScalar(item.key) && item.key.tag === undefined && item.key.anchor === undefined
          ? // YAML's word for nothing is the name of a key of ours, `input.null`.
            item.key.value === null && item.key.source === 'null'
            ? 'null'
            : item.key.value
          : undefined;
      if (typeof name !== 'string') {
        this.refuse(line, 'has a key that is not plain text; put it in quotes if it is meant as text');
      } else if (name === '__proto__' || name === '<<') {
        this.refuse(line, `has the key ${name}, which is not allowed`);
      } else if (Object.hasOwn(result, name)) {
        this.refuse(line, `has the key ${name} twice, first in line ${this.lines.get(key([...path, name]))}`);
      } else {
        this.lines.set(key([...path, name]), line);
        result[name] = this.value(item.value, [...path, name]);
      }
    }
    return result;
  }

  private refuse(line: number, what: string): null {
    this.problems.push(problem(this.file, line, what));
    return null;
  }
}

function key(path: SpecPath): string {
  return JSON.stringify(path);
}

function lineOf(lines: ReadonlyMap<string, number>, path: SpecPath): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const line = lines.get(key(path.slice(0, length)));
    if (line !== undefined) return line;
  }
  return lines.get(key([]));
}

function shortTag(tag: string): string {
  return tag.replace('tag:yaml.org,2002:', '!!');
}

function tooDeep(file: string | undefined, line: number): Failure {
  return refused(file, line, `is nested more than ${MAX_DEPTH} levels deep`);
}

function refused(file: string | undefined, line: number | undefined, what: string): Failure {
  return failureOfProblems([problem(file, line, what)]);
}

function problem(file: string | undefined, line: number | undefined, what: string): FailureReport {
  return specProblem('SPEC_INVALID', `The job specification ${what}.`, { file, line });
}
