import type { FailureReport } from '../core/errors.ts';
import type { SpecOrigin } from './job-spec.ts';
import { specProblem } from './spec-problem.ts';

const MAX_DEPTH = 32;
const MAX_VALUES = 100_000;
const MAX_TEXT = 2 ** 20;

/**
 * What is wrong with the sheer size of a specification that comes as values (from JSON, say), found without recursion,
 * so that whatever looks closer at it afterwards may recurse. Null: nothing.
 */
export function sizeProblem(raw: unknown, { file }: SpecOrigin): FailureReport | null {
  const problem = (what: string): FailureReport =>
    specProblem('SPEC_INVALID', `The job specification ${what}.`, { file });
  const open: { value: unknown; depth: number }[] = [{ value: raw, depth: 0 }];
  let values = 0;
  let text = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    values += 1;
    if (typeof value === 'string') text += value.length;
    if (typeof value === 'object' && value !== null) {
      if (depth >= MAX_DEPTH) return problem(`is nested more than ${MAX_DEPTH} levels deep`);
      if (Object.hasOwn(value, '__proto__')) return problem('has the key __proto__, which is not allowed');
      for (const [name, member] of Object.entries(value)) {
        text += name.length;
        open.push({ value: member, depth: depth + 1 });
      }
    }
    if (values + open.length > MAX_VALUES) return problem(`has more than ${MAX_VALUES} values`);
    if (text > MAX_TEXT) return problem(`holds more than ${MAX_TEXT} characters`);
  }
  return null;
}
