import { z } from 'zod';

/** Names that people read: no control characters, no halves of characters. */
export const readableText = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);

export const columnName = z
  .string()
  .min(1)
  .max(1_000)
  .regex(/^[^\0\p{Cs}]*$/u);
