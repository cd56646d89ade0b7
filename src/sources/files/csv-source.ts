import { CsvScanner } from '../../data/text/csv-scanner.ts';
import { csvDialect } from './csv-dialect.ts';
import { textSource } from './text-source.ts';

/** CSV files, compressed or not, materialised; docs/formats.md says exactly what is read how. */
export const csvSource = textSource({
  kind: 'csv',
  folderPattern: '**/*.{csv,csv.gz,csv.zst}',
  scanner: (file, input, declared, handler) => new CsvScanner(file, csvDialect(input), declared, handler),
  dialect: csvDialect,
});
