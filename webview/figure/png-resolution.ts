/** Says in a PNG how large it is printed: its chunk pHYs, pixels per metre (PNG specification, 11.3.4.3). */

/** Signature, then the first chunk: IHDR with 13 bytes. */
const afterHeader = 8 + 12 + 13;

/** @param png without the chunk, as canvases make them */
export function withResolution(png: Uint8Array, dotsPerInch: number): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(4 + 4 + 9 + 4);
  const view = new DataView(chunk.buffer);
  const perMetre = Math.round(dotsPerInch / 0.0254);
  view.setUint32(0, 9);
  chunk.set([0x70, 0x48, 0x59, 0x73], 4);
  view.setUint32(8, perMetre);
  view.setUint32(12, perMetre);
  chunk[16] = 1;
  view.setUint32(17, checksum(chunk.subarray(4, 17)));
  const printed = new Uint8Array(png.length + chunk.length);
  printed.set(png.subarray(0, afterHeader));
  printed.set(chunk, afterHeader);
  printed.set(png.subarray(afterHeader), afterHeader + chunk.length);
  return printed;
}

/** CRC-32 of ISO 3309, as PNG has it. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
