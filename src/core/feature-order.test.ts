import { expect, test } from 'vitest';
import { featureDisagreement } from './feature-order.ts';

test.each([
  [['a', 'b'], ['a', 'b'], null],
  [['A', 'b'], ['a', 'B'], null],
  [['b', 'a', 'c'], ['a', 'b', 'c'], /another order.*b is number 1, where it had a/],
  [['a', 'x'], ['a', 'b'], /without b and with x/],
  [['a'], ['a', 'b'], /without b\.$/],
  [['a', 'b', 'c'], ['a', 'b'], /with c\.$/],
  [[], ['a', 'b', 'c', 'd', 'e', 'f', 'g'], /without a, b, c, d, e and 2 more/],
])('%j against %j', (used, trained, said) => {
  const sentence = featureDisagreement('churn@3', used, trained);
  if (said === null) expect(sentence).toBeNull();
  else expect(sentence).toMatch(said);
});
