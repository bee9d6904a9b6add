import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What an answer depends on, of the rooms of native/. */
const rooms = ['analysis', 'checkpoint', 'engine', 'graph', 'image', 'methods', 'prompt'];

/** @param native path of native/ in the source tree @returns sha256 of the code that runs models and methods, hex */
export function sourceDigest(native: string): string {
  const hash = createHash('sha256');
  for (const room of rooms) {
    const names = readdirSync(join(native, room), { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.ts'),
    );
    for (const name of names.map(one => one.replaceAll('\\', '/')).sort()) {
      hash.update(`${room}/${name}\n`);
      hash.update(readFileSync(join(native, room, name), 'utf8').replaceAll('\r\n', '\n'));
    }
  }
  return hash.digest('hex');
}
