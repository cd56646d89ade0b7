/** What a snapshot was prepared from, as JSON; null where the input is scored as it was found. */
export const PREPARED_INPUT = `
ALTER TABLE snapshot ADD COLUMN prepared TEXT;
`;
