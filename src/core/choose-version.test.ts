import { expect, test } from 'vitest';
import { chooseVersion, noSuchModel, noSuchVersion } from './choose-version.ts';
import { Failure } from './errors.ts';
import { parseModelReference } from './model-reference.ts';

const CHAMPION = { alias: 'champion', version: 2 };
const DEFAULT = { alias: 'default', version: 1 };

const choose = (reference: string, aliases: (typeof DEFAULT)[], versions: number[]) =>
  chooseVersion(parseModelReference(reference), { aliases, versions });

test.each([
  ['churn', [DEFAULT, CHAMPION], [3, 2, 1], 1, 'default'],
  ['churn', [CHAMPION], [2], 2, null],
  ['churn', [], [7], 7, null],
  ['churn@champion', [DEFAULT, CHAMPION], [3, 2, 1], 2, 'champion'],
  ['churn@3', [DEFAULT, CHAMPION], [3, 2, 1], 3, null],
])(
  '%s, with aliases %j and versions %j, is version %i by %s',
  (reference, aliases, versions, version, alias) => {
    expect(choose(reference, aliases, versions)).toEqual({ version, alias });
  },
);

function refusal(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error;
  }
  throw new Error('was not refused');
}

test('a bare name with several versions and no default is never guessed, and the choices are named', () => {
  const failure = refusal(() => choose('churn', [CHAMPION], [3, 2, 1]));
  expect(failure.code).toBe('MODEL_AMBIGUOUS');
  expect(failure.message).toMatch(/churn@champion \(version 2\), churn@3, churn@2, churn@1/);
  expect(failure.next).toBe('Name one of them, or: batchwright model alias churn default 3');
});

test.each([
  ['churn@champoin', /Did you mean 'churn@champion'/],
  ['churn@latest', /newest version is churn@3/],
  ['churn@v3', /no alias 'v3'/],
])('%s is not there, and what is near is named', (reference, said) => {
  const failure = refusal(() => choose(reference, [CHAMPION], [3, 2, 1]));
  expect(failure.code).toBe('MODEL_NOT_FOUND');
  expect(failure.message).toMatch(said);
});

test('when all versions were removed, that is what is said', () => {
  for (const reference of ['churn', 'churn@champion'])
    expect(refusal(() => choose(reference, [], [])).message).toBe('All versions of churn were removed.');
  expect(noSuchVersion('churn', 3, { aliases: [], versions: [] }).message).toMatch(/removed/);
});

test('a misspelt name with a misspelt alias gets both put right, and an empty registry says how to begin', async () => {
  const refused = (reference: string, ...names: string[]) =>
    noSuchModel(parseModelReference(reference), names, async () => ['champion', 'shadow']);
  const meant = async (reference: string) =>
    /Did you mean '(.*)'\? There is: churn, fraud/.exec(
      (await refused(reference, 'churn', 'fraud')).message,
    )?.[1];
  expect(await meant('chrun')).toBe('churn');
  expect(await meant('chrun@2')).toBe('churn@2');
  expect(await meant('chrun@chmapion')).toBe('churn@champion');
  expect(await meant('chrun@shadow')).toBe('churn@shadow');
  expect(await meant('chrun@nobody')).toBe('churn');
  expect((await refused('churn')).next).toMatch(/model add churn/);
});
