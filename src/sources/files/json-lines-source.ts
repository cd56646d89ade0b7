import { JsonLinesScanner } from '../../data/text/json-lines-scanner.ts';
import { csvDialect } from './csv-dialect.ts';
import { textSource } from './text-source.ts';

/** Files of JSON Lines, compressed or not, materialised; docs/formats.md says exactly what is read how. */
export const jsonLinesSource = textSource({
  kind: 'jsonl',
  folderPattern: '**/*.{jsonl,ndjson,jsonl.gz,ndjson.gz,jsonl.zst,ndjson.zst}',
  scanner: (file, _, declared, handler, columns) => new JsonLinesScanner(file, declared, handler, columns),
  dialect: csvDialect,
});
