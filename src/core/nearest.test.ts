import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const KEYS = ['batch_size', 'parallelism', 'retry_count', 'name', 'path'];

test.each([
  ['batchsize', 'batch_size'],
  ['batch-size', 'batch_size'],
  ['BATCH_SIZE', 'batch_size'],
  ['paralellism', 'parallelism'],
  ['nmae', 'name'],
  ['retry', 'retry_count'],
])('a typing error (%s) leads to %s', (word, meant) => {
  expect(nearest(word, KEYS)).toBe(meant);
});

test.each(['colour', 'x', '', 'ab', 'p'.repeat(10_000)])(
  'a word that is no typing error gets no far-fetched suggestion',
  (word) => {
    expect(nearest(word, KEYS)).toBeUndefined();
  },
);
