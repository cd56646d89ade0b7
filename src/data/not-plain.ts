/**
 * A file, or a piece of one, is not what the plain way reads, or its bytes are wrong. Not an error of the job: DuckDB
 * reads it then, and says what is wrong if anything is.
 */
export class NotPlain extends Error {
  override readonly name = 'NotPlain';
}
