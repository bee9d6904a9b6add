// Finds the Chromium that the webview and end-to-end tests drive, and on Debian installs it.
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { runToStderr } from '../setup.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of a Chromium, or undefined. The variable CHROMIUM goes first and must then be right. */
export function findChromium() {
  if (process.env.CHROMIUM) return isProgram(process.env.CHROMIUM) ? process.env.CHROMIUM : undefined;
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return [...names.flatMap(name => folders.map(folder => path.join(folder, name))), ...places].find(isProgram);
}

/** As findChromium, but installs the Debian package when it can. Throws with what to do when it cannot. */
export async function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  if (!process.env.CHROMIUM && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    process.stderr.write('fovea: Installing chromium (apt-get) …\n');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await runToStderr('apt-get', ['update', '-qq'], { env });
    await runToStderr('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], {
      env,
    });
    const installed = findChromium();
    if (installed) return installed;
  }
  throw new Error(
    process.env.CHROMIUM
      ? `CHROMIUM is ${process.env.CHROMIUM}, which is no program. Set it to the path of Chromium or Chrome.`
      : 'These tests need Chromium or Chrome. Install it (Debian: apt-get install chromium), or set CHROMIUM to its path.',
  );
}
