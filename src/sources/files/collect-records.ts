import { EMPTY, NULL } from '../../core/field-class.ts';
import {
  DOUBLED_QUOTES,
  JSON_STRING,
  type MalformedRecord,
  type RecordFields,
  type RecordHandler,
} from '../../data/text/record-handler.ts';

/** Texts of a record's fields; null where the scanner says so. */
export type Fields = readonly (string | null)[];

/** Keeps what a scanner finds: to compare it with other readers. */
export class CollectRecords implements RecordHandler {
  readonly records: Fields[] = [];
  /** True for each record that is in `malformed`, in the order of the file. */
  readonly order: ('record' | 'malformed')[] = [];
  readonly malformedRecords: MalformedRecord[] = [];
  readonly #quote: string;

  constructor(quote = '"') {
    this.#quote = quote;
  }

  record({ bytes, starts, ends, classes, forms, columns }: RecordFields): void {
    const fields: (string | null)[] = [];
    for (let column = 0; column < columns; column += 1) {
      const text = bytes.toString('utf8', starts[column], ends[column]);
      if (classes[column] === NULL) fields.push(null);
      else if (classes[column] === EMPTY) fields.push('');
      else if (forms[column] === DOUBLED_QUOTES)
        fields.push(text.replaceAll(this.#quote + this.#quote, this.#quote));
      else if (forms[column] === JSON_STRING) fields.push(JSON.parse(text) as string);
      else fields.push(text);
    }
    this.records.push(fields);
    this.order.push('record');
  }

  malformed(record: MalformedRecord): void {
    this.malformedRecords.push(record);
    this.order.push('malformed');
  }
}
