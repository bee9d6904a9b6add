/** PDF by the print layout of the page, through a browser that is installed. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { FoveaError } from '../errors.ts';

const names = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'microsoft-edge',
  'microsoft-edge-stable',
  'msedge',
  'brave-browser',
];
const places = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  'C:\\Program Files\\Microsoft\\Edge\\Application\\msedge.exe',
];
const longest = 120_000;
const printHint =
  'Write the report as HTML (--format html), open it in any browser and print it to PDF there; or set CHROMIUM to a browser’s program.';

/** Chromium, Chrome or Edge; the variable CHROMIUM goes first and must then be right. */
export function findBrowser(environment: NodeJS.ProcessEnv): string | undefined {
  const named = environment['CHROMIUM'];
  if (named) return isProgram(named) ? named : undefined;
  const endings = process.platform === 'win32' ? ['.exe'] : [''];
  const folders = (environment['PATH'] ?? '').split(delimiter).filter(folder => folder !== '');
  const onPath = names.flatMap(name => folders.flatMap(folder => endings.map(ending => join(folder, name + ending))));
  return [...onPath, ...places].find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param page a whole document without scripts
 * @param signal kills the browser
 * @throws FoveaError `usage` where there is no browser, or it fails; the signal's reason
 */
export async function printPdf(
  page: string,
  environment: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const browser = findBrowser(environment);
  if (browser === undefined) {
    const named = environment['CHROMIUM'];
    const problem = named ? `CHROMIUM is ${named}, which is no program` : 'No Chromium, Chrome or Edge was found';
    throw new FoveaError('usage', `${problem}, and a PDF is printed by one.`, printHint);
  }
  const folder = await mkdtemp(join(tmpdir(), 'fovea-print-'));
  try {
    const [source, target] = [join(folder, 'report.html'), join(folder, 'report.pdf')];
    await writeFile(source, page);
    await promisify(execFile)(browser, [...options(folder), `--print-to-pdf=${target}`, pathToFileURL(source).href], {
      timeout: longest,
      killSignal: 'SIGKILL',
      ...(signal && { signal }),
    });
    return await readFile(target);
  } catch (error) {
    signal?.throwIfAborted();
    throw new FoveaError('usage', `${browser} did not print the report.`, printHint, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A profile of its own, so that a browser that is open neither answers instead nor is changed. */
function options(folder: string): string[] {
  return [
    '--headless',
    '--disable-gpu',
    '--no-first-run',
    '--no-pdf-header-footer',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--user-data-dir=${join(folder, 'profile')}`,
    // Root has no sandbox to use; the page has no scripts.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
}
