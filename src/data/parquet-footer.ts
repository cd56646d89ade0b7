import type { RowRange } from '../core/snapshot.ts';
import { NotPlain } from './not-plain.ts';
import { CompactReader, THRIFT } from './thrift-compact.ts';

/** What the footer of a Parquet file says about some top-level columns and rows. Numbers are those of the format. */
export interface ParquetFooter {
  readonly rows: number;
  /** In the order asked for. */
  readonly columns: readonly ParquetColumn[];
  /** Those that hold rows of the range asked for, in order. */
  readonly rowGroups: readonly RowGroup[];
}

export interface ParquetColumn {
  readonly name: string;
  readonly type: number;
  readonly nullable: boolean;
  readonly convertedType: number | null;
  /** 'int32', 'uint8' ... for whole numbers, 'other' for every other meaning beside the physical type's own. */
  readonly logicalType: string | null;
}

export interface RowGroup {
  readonly firstRow: number;
  readonly rows: number;
  /** In the order of `columns`. */
  readonly chunks: readonly ColumnChunk[];
}

export interface ColumnChunk {
  readonly type: number;
  readonly codec: number;
  readonly encodings: readonly number[];
  readonly values: number;
  /** With page headers. */
  readonly uncompressedBytes: number;
  /** With page headers. */
  readonly storedBytes: number;
  /** Of the first data page, in the file. */
  readonly offset: number;
  readonly hasDictionary: boolean;
}

/**
 * Reads the metadata between a file's last page and the length at its end. Throws NotPlain for what cannot be read so:
 * a column that is missing, doubled or not flat, encryption, columns in other files, counts that contradict each other.
 */
export function readFooter(bytes: Uint8Array, names: readonly string[], wanted: RowRange): ParquetFooter {
  const reader = new CompactReader(bytes);
  let rows = -1;
  let leaves: Leaves | null = null;
  let counted = 0;
  const rowGroups: RowGroup[] = [];
  reader.struct((id, type) => {
    if (id === 2 && type === THRIFT.list) leaves = readSchema(reader, names);
    else if (id === 3 && type === THRIFT.i64) rows = reader.int();
    else if (id === 4 && type === THRIFT.list) {
      reader.list(() => {
        if (leaves === null) throw new NotPlain('row groups come before the schema');
        const group = readRowGroup(reader, leaves, counted, wanted);
        counted += group.rows;
        if (group.chunks.length > 0) rowGroups.push(group);
      });
    } else if (id === 8) throw new NotPlain('the file is encrypted');
    else reader.skip(type);
  });
  if (leaves === null || rows !== counted) throw new NotPlain('the rows of the row groups do not add up');
  return { rows, columns: (leaves as Leaves).columns, rowGroups };
}

/** Names of the top-level columns, in the file's order. Throws NotPlain for a schema that cannot be read so. */
export function readColumnNames(bytes: Uint8Array): string[] {
  const reader = new CompactReader(bytes);
  let names: string[] | null = null;
  reader.struct((id, type) => {
    if (id === 2 && type === THRIFT.list) names = [...readTopLevel(reader).keys()];
    else reader.skip(type);
  });
  if (names === null) throw new NotPlain('there is no schema');
  return names;
}

interface Leaves {
  readonly columns: readonly ParquetColumn[];
  /** Indexes in `columns` by the number of the leaf. */
  readonly wanted: ReadonlyMap<number, number[]>;
}

interface SchemaElement {
  type: number | null;
  repetition: number | null;
  name: string;
  children: number;
  convertedType: number | null;
  logicalType: string | null;
}

/** `column` null: it is not flat; `leaf`: the number of its first leaf. */
type TopLevel = ReadonlyMap<string, { readonly column: ParquetColumn | null; readonly leaf: number }>;

function readTopLevel(reader: CompactReader): TopLevel {
  const elements: SchemaElement[] = [];
  reader.list(() => elements.push(readElement(reader)));
  const [root] = elements;
  const found = new Map<string, { column: ParquetColumn | null; leaf: number }>();
  let leaf = 0;
  let at = 1;
  for (let top = 0; top < (root?.children ?? 0); top += 1) {
    const element = elements[at];
    if (element === undefined || found.has(element.name)) throw new NotPlain('the schema is not clear');
    found.set(element.name, { column: flatColumn(element), leaf });
    // Its descendants follow it.
    for (let open = 1; open > 0; at += 1) {
      const inner = elements[at];
      if (inner === undefined) throw new NotPlain('the schema ends early');
      open += inner.children - 1;
      if (inner.type !== null) leaf += 1;
    }
  }
  if (at !== elements.length) throw new NotPlain('the schema has more than its root says');
  return found;
}

function readSchema(reader: CompactReader, names: readonly string[]): Leaves {
  const found = readTopLevel(reader);
  const wanted = new Map<number, number[]>();
  const columns = names.map((name, index) => {
    const { column, leaf: number } = found.get(name) ?? { column: null, leaf: -1 };
    if (column === null) throw new NotPlain(`there is no flat column ${name}`);
    wanted.set(number, [...(wanted.get(number) ?? []), index]);
    return column;
  });
  return { columns, wanted };
}

function readElement(reader: CompactReader): SchemaElement {
  const element: SchemaElement = {
    type: null,
    repetition: null,
    name: '',
    children: 0,
    convertedType: null,
    logicalType: null,
  };
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.i32) element.type = reader.int();
    else if (id === 3 && type === THRIFT.i32) element.repetition = reader.int();
    else if (id === 4 && type === THRIFT.binary) element.name = reader.text();
    else if (id === 5 && type === THRIFT.i32) element.children = reader.int();
    else if (id === 6 && type === THRIFT.i32) element.convertedType = reader.int();
    else if (id === 10 && type === THRIFT.struct) element.logicalType = readLogicalType(reader);
    else reader.skip(type);
  });
  if (element.children < 0) throw new NotPlain('the schema is not clear');
  return element;
}

function readLogicalType(reader: CompactReader): string {
  let found = 'other';
  reader.struct((id, type) => {
    if (id !== 10 || type !== THRIFT.struct) return reader.skip(type);
    let bits = 0;
    let signed = false;
    reader.struct((part, partType) => {
      if (part === 1 && partType === THRIFT.byte) bits = reader.byte();
      else if (part === 2) signed = partType === THRIFT.true;
      else reader.skip(partType);
    });
    found = `${signed ? 'int' : 'uint'}${bits}`;
  });
  return found;
}

/** Required or optional, with nothing in it; null for any other. */
function flatColumn(element: SchemaElement): ParquetColumn | null {
  const { type, repetition, children, name, convertedType, logicalType } = element;
  if (type === null || children !== 0 || (repetition !== 0 && repetition !== 1)) return null;
  return { name, type, nullable: repetition === 1, convertedType, logicalType };
}

/** Without chunks when no row of it is wanted. */
function readRowGroup(reader: CompactReader, leaves: Leaves, firstRow: number, wanted: RowRange): RowGroup {
  let rows = -1;
  let columnsAt = -1;
  reader.struct((id, type) => {
    if (id === 1 && type === THRIFT.list) {
      // How many rows there are comes after the columns.
      columnsAt = reader.at;
      reader.skip(type);
    } else if (id === 3 && type === THRIFT.i64) rows = reader.int();
    else reader.skip(type);
  });
  if (rows < 0 || columnsAt < 0) throw new NotPlain('a row group is not complete');
  if (rows === 0 || firstRow >= wanted.end || firstRow + rows <= wanted.start) {
    return { firstRow, rows, chunks: [] };
  }
  const end = reader.at;
  reader.at = columnsAt;
  const chunks: ColumnChunk[] = [];
  let found = 0;
  reader.list((leaf, type) => {
    const places = leaves.wanted.get(leaf);
    if (places === undefined) return reader.skipElement(type);
    const chunk = readChunk(reader, (leaves.columns[places[0] as number] as ParquetColumn).name);
    for (const place of places) chunks[place] = chunk;
    found += places.length;
  });
  reader.at = end;
  if (found !== leaves.columns.length) throw new NotPlain('a row group has fewer columns than the schema');
  return { firstRow, rows, chunks };
}

function readChunk(reader: CompactReader, name: string): ColumnChunk {
  let chunk: ColumnChunk | null = null;
  reader.struct((id, type) => {
    if (id === 1) throw new NotPlain('a column chunk lies in another file');
    if (id === 8 || id === 9) throw new NotPlain('a column is encrypted');
    if (id === 3 && type === THRIFT.struct) chunk = readChunkMetadata(reader, name);
    else reader.skip(type);
  });
  if (chunk === null) throw new NotPlain('a column chunk has no metadata');
  return chunk;
}

function readChunkMetadata(reader: CompactReader, name: string): ColumnChunk {
  const numbers = new Map<number, number>();
  const encodings: number[] = [];
  const path: string[] = [];
  reader.struct((id, type) => {
    if (id === 2 && type === THRIFT.list) reader.list(() => encodings.push(reader.int()));
    else if (id === 3 && type === THRIFT.list) reader.list(() => path.push(reader.text()));
    else if (CHUNK_NUMBERS.has(id) && (type === THRIFT.i32 || type === THRIFT.i64)) {
      numbers.set(id, reader.int());
    } else reader.skip(type);
  });
  if (path.length !== 1 || path[0] !== name)
    throw new NotPlain('the columns of a row group are not in order');
  const number = (id: number): number => {
    const value = numbers.get(id) ?? -1;
    if (value < 0) throw new NotPlain('the metadata of a column chunk is not complete');
    return value;
  };
  return {
    type: number(1),
    codec: number(4),
    encodings,
    values: number(5),
    uncompressedBytes: number(6),
    storedBytes: number(7),
    offset: number(9),
    hasDictionary: numbers.has(11),
  };
}

const CHUNK_NUMBERS: ReadonlySet<number> = new Set([1, 4, 5, 6, 7, 9, 11]);
