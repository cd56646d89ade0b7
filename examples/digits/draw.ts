/**
 * Draws some of what was read, as SVG: two rows of images that were read right, then the misread ones of least certainty.
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
const CELL = { width: SIDE + 34, height: SIDE + 34 };

interface ReadImage {
  readonly pixels: readonly number[];
  readonly digit: number;
  readonly read_as: number;
  readonly certainty: number;
}

const [result, target] = process.argv.slice(2);
if (result === undefined || target === undefined) throw new Error('usage: draw.ts RESULT_FOLDER TARGET.svg');
writeFileSync(target, svg(await someRead(result)));

async function someRead(folder: string): Promise<ReadImage[]> {
  const images = join(import.meta.dirname, 'digits.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `WITH read AS (
       SELECT i.pixels, i.digit::INTEGER AS digit, r.read_as::INTEGER AS read_as, r.certainty::DOUBLE AS certainty, image_id,
         row_number() OVER (PARTITION BY i.digit = r.read_as ORDER BY if(i.digit = r.read_as, 0, r.certainty), image_id) AS place
       FROM read_parquet('${sqlText(folder)}/*.parquet') r JOIN read_parquet('${sqlText(images)}') i USING (image_id)
     )
     SELECT * FROM read WHERE place <= ${(COLUMNS * ROWS) / 2} ORDER BY digit = read_as DESC, place`,
  );
  const rows = reader.getRowObjectsJS() as unknown as ReadImage[];
  connection.closeSync();
  instance.closeSync();
  return rows;
}

function sqlText(path: string): string {
  return path.replaceAll("'", "''");
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
