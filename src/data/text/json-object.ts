import { TEXT } from '../../core/field-class.ts';
import { COLON, COMMA, type JsonCursor, NotJson, OBJECT, OBJECT_END } from './json-value.ts';

const QUOTE = 0x22;

/** A key with its value, as they lie in the line. */
export interface Member {
  keyStart: number;
  keyEnd: number;
  keyEscaped: boolean;
  start: number;
  end: number;
  class: number;
  /** Of a text; null for other values. */
  isEscaped: boolean | null;
  /** -1: not known yet. */
  column: number;
}

/** Reads the object of a line into members, which are used again line by line. */
export class JsonObject {
  readonly #members: Member[] = [];
  /** By place in the object: the key that was there last, and its column. */
  readonly #expected: { readonly key: Buffer; readonly column: number }[] = [];
  count = 0;

  member(place: number): Member {
    return this.#members[place] as Member;
  }

  /** The key at this place is expected there from now on, and is this column's. */
  expect(bytes: Buffer, place: number, column: number): void {
    const { keyStart, keyEnd } = this.member(place);
    this.#expected[place] = { key: Buffer.from(bytes.subarray(keyStart, keyEnd)), column };
  }

  /** All of the cursor's line; fails with NotJson, which says what is wrong. */
  read(cursor: JsonCursor): void {
    this.count = 0;
    cursor.expect(OBJECT, 'an object ({)');
    cursor.skipSpace();
    if (!cursor.take(OBJECT_END)) {
      for (;;) {
        cursor.skipSpace();
        this.#readMember(cursor);
        cursor.skipSpace();
        if (cursor.take(OBJECT_END)) break;
        cursor.expect(COMMA, 'a comma or }');
      }
    }
    cursor.skipSpace();
    if (cursor.at !== cursor.end) throw new NotJson('has more behind the object');
  }

  #readMember(cursor: JsonCursor): void {
    const member = this.#next();
    member.keyStart = cursor.at;
    // Nearly always the key that was there in the last record.
    const expected = this.#expected[this.count - 1];
    if (expected !== undefined && cursor.takeAll(expected.key)) {
      member.column = expected.column;
      member.keyEscaped = false;
    } else {
      member.column = -1;
      member.keyEscaped = cursor.string();
    }
    member.keyEnd = cursor.at;
    cursor.skipSpace();
    cursor.expect(COLON, 'a colon');
    cursor.skipSpace();
    member.start = cursor.at;
    const isText = cursor.bytes[cursor.at] === QUOTE;
    member.isEscaped = isText ? cursor.string() : null;
    member.class = isText ? TEXT : cursor.value();
    member.end = cursor.at;
  }

  #next(): Member {
    let member = this.#members[this.count];
    if (member === undefined) {
      member = {
        keyStart: 0,
        keyEnd: 0,
        keyEscaped: false,
        start: 0,
        end: 0,
        class: 0,
        isEscaped: null,
        column: -1,
      };
      this.#members.push(member);
    }
    this.count += 1;
    return member;
  }
}

export function keyText(bytes: Buffer, { keyStart, keyEnd, keyEscaped }: Member): string {
  return keyEscaped
    ? (JSON.parse(bytes.toString('utf8', keyStart, keyEnd)) as string)
    : bytes.toString('utf8', keyStart + 1, keyEnd - 1);
}
