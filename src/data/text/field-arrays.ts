import { grown } from './grown.ts';

/** The fields of the record in hand, by column, as `RecordFields` has them; used again for each record. */
export class FieldArrays {
  starts = new Int32Array(256);
  ends = new Int32Array(256);
  classes = new Int32Array(256);
  forms = new Uint8Array(256);

  /** Makes room for so many columns. */
  reserve(columns: number): void {
    if (columns <= this.starts.length) return;
    const size = Math.max(columns, this.starts.length * 2);
    this.starts = grown(this.starts, size);
    this.ends = grown(this.ends, size);
    this.classes = grown(this.classes, size);
    this.forms = grown(this.forms, size);
  }
}
