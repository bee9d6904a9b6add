import type { TraceSource } from './trace-source.ts';

/** The picture of a run at full resolution, decoded. @throws Error with a message for the user */
export async function loadPicture(source: TraceSource): Promise<HTMLImageElement> {
  const { data } = await source.slice('image.display');
  const url = URL.createObjectURL(new Blob([data.slice()], { type: source.metadata.image.display.mime }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    // The decoded image no longer needs its address.
    URL.revokeObjectURL(url);
  }
}
