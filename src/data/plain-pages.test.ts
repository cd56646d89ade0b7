import { expect, test } from 'vitest';
import { decompress } from './decompress.ts';
import { NotPlain } from './not-plain.ts';
import { plainValues } from './plain-pages.ts';
import { CompactReader, THRIFT } from './thrift-compact.ts';

const SNAPPY = 1;

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** A struct of i32 fields and structs, by number. */
function struct(fields: Readonly<Record<number, number | boolean | number[]>>): number[] {
  let last = 0;
  const bytes = Object.entries(fields).flatMap(([id, value]) => {
    const delta = (Number(id) - last) << 4;
    last = Number(id);
    if (typeof value === 'number') return [delta | THRIFT.i32, ...varint(value * 2)];
    if (typeof value === 'boolean') return [delta | (value ? THRIFT.true : THRIFT.false)];
    return [delta | THRIFT.struct, ...value];
  });
  return [...bytes, 0];
}

interface Flaw {
  levels?: number[];
  values?: number[];
  encoding?: number;
  levelEncoding?: number;
  type?: number;
  rows?: number;
  nulls?: number;
  repetition?: number;
  stored?: number;
  uncompressed?: number;
  tail?: number[];
}

/** A page of `rows` values of four bytes, counting up from `first`, as it should be but for its flaw. */
function page(version: 1 | 2, first: number, rows: number, flaw: Flaw = {}): number[] {
  const levels = flaw.levels ?? [...varint(rows * 2), 1];
  const values = flaw.values ?? Array.from({ length: rows }, (_, row) => [first + row, 0, 0, 0]).flat();
  const body = [...(version === 1 ? [levels.length, 0, 0, 0] : []), ...levels, ...values];
  const data =
    version === 1
      ? { 5: struct({ 1: rows, 2: flaw.encoding ?? 0, 3: flaw.levelEncoding ?? 3, 4: 3 }) }
      : {
          8: struct({
            1: rows,
            2: flaw.nulls ?? 0,
            3: flaw.rows ?? rows,
            4: flaw.encoding ?? 0,
            5: levels.length,
            6: flaw.repetition ?? 0,
            7: false,
          }),
        };
  const header = struct({
    1: flaw.type ?? (version === 1 ? 0 : 3),
    2: flaw.uncompressed ?? body.length,
    3: flaw.stored ?? body.length,
    ...data,
  });
  return [...header, ...body, ...(flaw.tail ?? [])];
}

function read(pages: readonly number[], rows: number, room = 0): number[] {
  const target = new Uint8Array(pages.length + room);
  target.set(pages);
  const chunk = { codec: 0, nullable: true, width: 4, rows };
  const values = plainValues(chunk, target.subarray(0, pages.length), target);
  return Array.from({ length: values.length / 4 }, (_, row) => values[row * 4] as number);
}

test.each([1, 2] as const)('pages of version %i close up into one column', (version) => {
  const pages = [...page(version, 0, 8), ...page(version, 8, 1), ...page(version, 9, 11)];
  expect(read(pages, 20)).toEqual(Array.from({ length: 20 }, (_, row) => row));
  expect(read(page(version, 5, 3), 3)).toEqual([5, 6, 7]);
  expect(read(page(version, 5, 3, { levels: [4, 1, 2, 1] }), 3)).toEqual([5, 6, 7]);
});

const FLAWS: [string, Flaw][] = [
  ['a null', { levels: [14, 1, 2, 0] }],
  ['levels bit by bit', { levels: [3, 0xff] }],
  ['levels for fewer rows', { levels: [14, 1] }],
  ['levels for more rows', { levels: [18, 1] }],
  ['levels that end early', { levels: [16] }],
  ['levels without end', { levels: [0x90, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1] }],
  ['no levels', { levels: [] }],
  ['a value too few', { values: new Array<number>(28).fill(0) }],
  ['a value too many', { values: new Array<number>(36).fill(0) }],
  ['dictionary indexes', { encoding: 8 }],
  ['byte stream split', { encoding: 9 }],
  ['the type of a dictionary', { type: 2 }],
  ['two lengths', { uncompressed: 45, tail: [0] }],
  ['more bytes than there are', { stored: 200, uncompressed: 200 }],
  ['something behind it', { tail: [1] }],
];

test.each(FLAWS)('a page with %s is not read', (_, flaw) => {
  for (const version of [1, 2] as const) {
    const pages = [...page(version, 0, 2), ...page(version, 2, 8, flaw)];
    expect(() => read(pages, 10, 300)).toThrow(NotPlain);
  }
});

test('levels in bits, nulls and repetition in a header are not read', () => {
  expect(() => read(page(1, 0, 8, { levelEncoding: 4 }), 8)).toThrow(NotPlain);
  expect(() => read(page(2, 0, 8, { nulls: 1 }), 8)).toThrow(NotPlain);
  expect(() => read(page(2, 0, 8, { rows: 7 }), 8)).toThrow(NotPlain);
  expect(() => read(page(2, 0, 8, { repetition: 2 }), 8)).toThrow(NotPlain);
});

test('a chunk with fewer or more values than rows is not read', () => {
  const pages = [...page(1, 0, 8), ...page(1, 8, 8)];
  expect(() => read(pages, 17)).toThrow(NotPlain);
  expect(() => read(pages, 15)).toThrow(NotPlain);
  expect(() => read(pages, 8)).toThrow(NotPlain);
  expect(() => read([], 1)).toThrow(NotPlain);
});

test('Snappy copies may overlap themselves; wrong bytes fill nothing beside the target', () => {
  const unsnap = (input: number[], length: number) => {
    const memory = new Uint8Array(length + 8).fill(9);
    const target = memory.subarray(0, length);
    try {
      decompress(SNAPPY, Uint8Array.from(input), target);
    } finally {
      expect([...memory.subarray(length)]).toEqual(new Array(8).fill(9));
    }
    return [...target];
  };
  // Literals 1 2 3, then copies with offsets of one, two and four bytes.
  expect(unsnap([8, 8, 1, 2, 3, (1 << 2) | 1, 2], 8)).toEqual([1, 2, 3, 2, 3, 2, 3, 2]);
  expect(unsnap([8, 8, 1, 2, 3, (4 << 2) | 2, 3, 0], 8)).toEqual([1, 2, 3, 1, 2, 3, 1, 2]);
  expect(unsnap([8, 8, 1, 2, 3, (4 << 2) | 3, 1, 0, 0, 0], 8)).toEqual([1, 2, 3, 3, 3, 3, 3, 3]);
  const long = Array.from({ length: 300 }, (_, at) => at % 251);
  expect(unsnap([...varint(300), 61 << 2, 43, 1, ...long], 300)).toEqual(long);
  for (const wrong of [
    [],
    [8],
    [7, 8, 1, 2, 3, 5, 2],
    [8, 8, 1, 2],
    [8, 8, 1, 2, 3],
    [8, 8, 1, 2, 3, 5],
    [8, 8, 1, 2, 3, 5, 0],
    [8, 8, 1, 2, 3, 5, 4],
    [8, 8, 1, 2, 3, (7 << 2) | 2, 3, 0],
    [8, 8, 1, 2, 3, 5, 2, 0, 4],
    [8, 63 << 2, 255, 255, 255, 255, 1],
    [0x88, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
  ]) {
    expect(() => unsnap(wrong, 8)).toThrow(NotPlain);
  }
});

test('metadata that says it is huge, deep or endless is refused at once', () => {
  const skip = (bytes: number[]) => new CompactReader(Uint8Array.from(bytes)).skip(THRIFT.struct);
  expect(() => skip([(1 << 4) | THRIFT.list, 0xf0 | THRIFT.i32, 255, 255, 255, 255, 7, 0])).toThrow(NotPlain);
  expect(() => skip(new Array<number>(10_000).fill((1 << 4) | THRIFT.struct))).toThrow(NotPlain);
  expect(() => skip([(1 << 4) | THRIFT.list, ...new Array<number>(10_000).fill(0x10 | THRIFT.list)])).toThrow(
    NotPlain,
  );
  expect(() => skip([(1 << 4) | THRIFT.binary, 255, 255, 255, 255, 7])).toThrow(NotPlain);
  expect(() => skip([(1 << 4) | THRIFT.i64, ...new Array<number>(20).fill(255), 0])).toThrow(NotPlain);
  expect(() => skip([(1 << 4) | 13, 0])).toThrow(NotPlain);
  expect(() => skip([])).toThrow(NotPlain);
});
