import { NotPlain } from './not-plain.ts';
import { CompactReader, THRIFT } from './thrift-compact.ts';

/** Header of a data page whose values are PLAIN and whose levels, if any, are RLE; both versions of the format. */
export interface PageHeader {
  readonly version: 1 | 2;
  /** Of the header itself. */
  readonly headerBytes: number;
  /** Of what follows the header: levels and values. */
  readonly storedBytes: number;
  readonly uncompressedBytes: number;
  /** Nulls included. */
  readonly values: number;
  /** Version 2: bytes of definition levels, which are never compressed. */
  readonly levelBytes: number;
  /** Version 2: whether the values are compressed. */
  readonly isCompressed: boolean;
}

const DATA_PAGE = 0;
const DATA_PAGE_V2 = 3;
const PLAIN = 0;
const RLE = 3;

/** Throws NotPlain for every other page. Checksums and statistics are passed over. */
export function readPageHeader(bytes: Uint8Array, at: number): PageHeader {
  const reader = new CompactReader(bytes, at);
  let type = -1;
  let uncompressedBytes = -1;
  let storedBytes = -1;
  let version: 1 | 2 = 1;
  let data: DataPage | null = null;
  reader.struct((id, fieldType) => {
    if (id === 1 && fieldType === THRIFT.i32) type = reader.int();
    else if (id === 2 && fieldType === THRIFT.i32) uncompressedBytes = reader.int();
    else if (id === 3 && fieldType === THRIFT.i32) storedBytes = reader.int();
    else if ((id === 5 || id === 8) && fieldType === THRIFT.struct) {
      version = id === 5 ? 1 : 2;
      data = readDataPage(reader, version);
    } else reader.skip(fieldType);
  });
  if (data === null || type !== (version === 1 ? DATA_PAGE : DATA_PAGE_V2)) {
    throw new NotPlain(`a page of type ${type}`);
  }
  if (uncompressedBytes < 0 || storedBytes < 0) throw new NotPlain('a page without sizes');
  return { version, headerBytes: reader.at - at, storedBytes, uncompressedBytes, ...(data as DataPage) };
}

interface DataPage {
  readonly values: number;
  readonly levelBytes: number;
  readonly isCompressed: boolean;
}

function readDataPage(reader: CompactReader, version: 1 | 2): DataPage {
  const numbers: (number | undefined)[] = [];
  let isCompressed = true;
  reader.struct((id, type) => {
    if (id <= 6 && type === THRIFT.i32) numbers[id] = reader.int();
    else if (version === 2 && id === 7) isCompressed = type === THRIFT.true;
    else reader.skip(type);
  });
  const values = numbers[1] ?? -1;
  const encoding = version === 1 ? numbers[2] : numbers[4];
  if (values < 0 || encoding !== PLAIN) throw new NotPlain(`values of encoding ${encoding}`);
  if (version === 1) {
    if (numbers[3] !== RLE) throw new NotPlain(`levels of encoding ${numbers[3]}`);
    return { values, levelBytes: 0, isCompressed };
  }
  const [, , nulls, rows, , levelBytes, repetitionBytes] = numbers;
  if (nulls !== 0 || rows !== values || repetitionBytes !== 0 || levelBytes === undefined || levelBytes < 0) {
    throw new NotPlain('a page with nulls or repetition');
  }
  return { values, levelBytes, isCompressed };
}
