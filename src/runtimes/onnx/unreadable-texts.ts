import type { RecordBatch, RowReject } from '../../core/columns.ts';

/**
 * Records with a text that the model would not get whole: onnxruntime-node hands texts on up to their first NUL, so the
 * score would be that of another text.
 */
export function unreadableTexts({ columns }: RecordBatch): RowReject[] {
  const rejects: RowReject[] = [];
  for (const { name, type, values } of columns) {
    if (type !== 'string') continue;
    for (const [row, text] of (values as string[]).entries()) {
      if (!text.includes('\0')) continue;
      const message = `The text in column ${name} has a NUL character, behind which ONNX Runtime does not read.`;
      rejects.push({ row, code: 'FEATURE_NOT_EXACT', message });
    }
  }
  return rejects;
}
