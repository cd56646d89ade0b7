/** Well-formed CSV files that mutations start from: what a partner may send. */
export const CSV_SEEDS: readonly string[] = [
  'id,x,name\n1,1.5,ann\n2,2.5,bob\n3,,eve\n',
  'id,x,name\r\n1,1.5,ann\r\n2,2.5,"bo, b"\r\n',
  '"id","x","name"\n"1","1.5","ann"\n"2","","b""o""b"\n"3","-4","eve"\n',
  'id,note\n1,"two\nlines"\n2,"three\r\nlines\n"\n3,plain\n',
  'a\n1\n\n3\n',
  'when,what\n2025-01-31,start\n2025-02-28T10:00:00Z,"end, of it"\n',
  'k,v\n007,NaN\n9007199254740993,1e400\n18446744073709551616,-0\n',
  '\ufeffid,größe\n1,"12,5 m"\n2,☃\n3,日本\n',
  'x,y,z\n,,\n"",,""\n 1 , 2 ,\t3\n',
  'id,text\n1,"a ""quoted"" word"\n2,""""\n3,"""start"\n4,"end"""\n',
  'a,b\n1,2',
  'a,b\r1,2\r3,4\r',
  `long,b\n"${'x'.repeat(200)},\n${'y'.repeat(80)}",2\n3,4\n`,
];

/** Bytes that decide how CSV is read, and a few that do not. */
export const CSV_ALPHABET = Buffer.from('""",,\n\n\r\r\0\xff\xc3 1a;.-\ufeff', 'latin1');
