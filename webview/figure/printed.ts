/** A finished sheet as the bytes of a file. */
import { context2d } from '../element.ts';
import type { FigureFormat } from '../messages.ts';
import type { FinishedSheet } from './figure-sheet.ts';
import { withResolution } from './png-resolution.ts';

const dotsPerInch = 300;

export async function printSheet(sheet: FinishedSheet, format: FigureFormat): Promise<Uint8Array<ArrayBuffer>> {
  if (format === 'svg') return new TextEncoder().encode(sheet.svg);
  const width = Math.round((sheet.printedMillimetres / 25.4) * dotsPerInch);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = Math.round((width * sheet.height) / sheet.width);
  const url = URL.createObjectURL(new Blob([sheet.svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    context2d(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  } finally {
    URL.revokeObjectURL(url);
  }
  const blob = await new Promise<Blob | null>(resolve => {
    canvas.toBlob(resolve, 'image/png');
  });
  if (!blob) throw new Error('This window cannot make a picture of this size.');
  return withResolution(new Uint8Array(await blob.arrayBuffer()), dotsPerInch);
}
