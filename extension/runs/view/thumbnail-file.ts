/** Larger ones are not what a list or a tooltip needs. */
export const mostThumbnailBytes = 1 << 20;

const kinds = [
  {
    ending: 'webp',
    mime: 'image/webp',
    starts: (bytes: Uint8Array) => ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP',
  },
  {
    ending: 'jpg',
    mime: 'image/jpeg',
    starts: (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff,
  },
  {
    ending: 'png',
    mime: 'image/png',
    starts: (bytes: Uint8Array) => ascii(bytes, 1, 4) === 'PNG' && bytes[0] === 0x89,
  },
] as const;

export const thumbnailEndings: readonly string[] = kinds.map(({ ending }) => ending);

/** What the first bytes of a picture say that it is; undefined for anything that is not shown. */
export function pictureKind(bytes: Uint8Array): { readonly ending: string; readonly mime: string } | undefined {
  if (bytes.length > mostThumbnailBytes) return undefined;
  return kinds.find(({ starts }) => starts(bytes));
}

/** A trace may claim any text as the digest of its image: only a real one becomes a file name. */
export function isDigest(digest: string): boolean {
  return /^[0-9a-f]{64}$/.test(digest);
}

/** The digest that a file in the folder of the thumbnails is of. */
export function digestOfThumbnail(name: string): string | undefined {
  const [digest = '', ending = '', ...rest] = name.split('.');
  return rest.length === 0 && isDigest(digest) && thumbnailEndings.includes(ending) ? digest : undefined;
}

function ascii(bytes: Uint8Array, first: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(first, end));
}
