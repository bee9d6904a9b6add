/** Pages that are read ahead, before and after the one that is shown. */
const ahead = 2;

/**
 * Starts reading what stands around a place, so that stepping waits for nothing.
 * @param end how many places there are
 * @param read a promise where the page is not here yet
 */
export function readAround(place: number, end: number, read: (near: number) => unknown): void {
  for (let distance = 1; distance <= ahead; distance++)
    for (const near of [place + distance, place - distance]) {
      if (near < 0 || near >= end) continue;
      const page = read(near);
      // Read in vain; the error is told when the place itself is shown.
      if (page instanceof Promise) page.catch(() => undefined);
    }
}
