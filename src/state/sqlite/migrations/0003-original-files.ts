/** What a materialised file was made from, and the columns that a file's folders give; both JSON. */
export const ORIGINAL_FILES = `
ALTER TABLE snapshot_file ADD COLUMN original_file TEXT;
ALTER TABLE snapshot_file ADD COLUMN partition_values TEXT;
`;
