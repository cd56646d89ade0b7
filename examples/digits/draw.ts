/**
 * Draws what was read: the images that were misread first, then the least certain ones; as SVG.
 *
 *     npx node examples/digits/draw.ts examples/digits/read examples/digits/read.svg
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

const COLUMNS = 8;
const ROWS = 4;
const PIXEL = 9;
const SIDE = 8 * PIXEL;
const CELL = { width: SIDE + 20, height: SIDE + 34 };

interface ReadImage {
  readonly pixels: readonly number[];
  readonly digit: number;
  readonly read_as: number;
  readonly certainty: number;
}

const [result, target] = process.argv.slice(2);
if (result === undefined || target === undefined) throw new Error('usage: draw.ts RESULT_FOLDER TARGET.svg');
writeFileSync(target, svg(await worstRead(result)));

async function worstRead(folder: string): Promise<ReadImage[]> {
  const images = join(import.meta.dirname, 'digits.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `SELECT i.pixels, i.digit::INTEGER AS digit, r.read_as::INTEGER AS read_as, r.certainty::DOUBLE AS certainty
     FROM read_parquet('${folder.replaceAll("'", "''")}/*.parquet') r JOIN read_parquet('${images.replaceAll("'", "''")}') i USING (image_id)
     ORDER BY i.digit = r.read_as, r.certainty, image_id LIMIT ${COLUMNS * ROWS}`,
  );
  const rows = reader.getRowObjectsJS() as unknown as ReadImage[];
  connection.closeSync();
  instance.closeSync();
  return rows;
}

function svg(images: readonly ReadImage[]): string {
  const width = COLUMNS * CELL.width + 20;
  const height = Math.ceil(images.length / COLUMNS) * CELL.height + 20;
  const cells = images.map((image, at) => {
    const x = 20 + (at % COLUMNS) * CELL.width;
    const y = 20 + Math.floor(at / COLUMNS) * CELL.height;
    return `<g transform="translate(${x},${y})">${drawn(image)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
${cells.join('\n')}
</svg>
`;
}

function drawn({ pixels, digit, read_as, certainty }: ReadImage): string {
  const squares = pixels.map((value, at) => {
    if (value === 0) return '';
    const x = (at % 8) * PIXEL;
    const y = Math.floor(at / 8) * PIXEL;
    return `<rect x="${x}" y="${y}" width="${PIXEL}" height="${PIXEL}" fill-opacity="${value / 16}"/>`;
  });
  const wrong = digit !== read_as;
  const percent = `${Math.round(certainty * 100)}\u2009%`;
  const caption = wrong ? `${read_as} (${percent}), is ${digit}` : `${read_as} (${percent})`;
  return `<rect width="${SIDE}" height="${SIDE}" fill="#f4f4f4"/>${squares.join('')}<text y="${SIDE + 16}" fill="${wrong ? '#b00020' : '#333'}">${caption}</text>`;
}
