/** `npm run vscode`: opens a VS Code with this build of Fovea and the sample images, and stays until Ctrl-C. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Editor, projectFolder } from './rig/editor.ts';
import { setupEditor } from './setup.mjs';

const samples = path.join(projectFolder, 'media/samples');

/** The user's own VS Code; false when there is none. */
function openDesktop(): boolean {
  // On Windows `code` is a batch file, which only a shell starts.
  const shell = process.platform === 'win32';
  const { status } = spawnSync('code', [`--extensionDevelopmentPath=${projectFolder}`, samples], {
    stdio: 'inherit',
    shell,
  });
  return status === 0;
}

function openBrowser(url: string): void {
  const onDisplay = process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'];
  if (onDisplay === undefined) return;
  const opener = spawn('xdg-open', [url], { stdio: 'ignore', detached: true });
  // The address is printed anyway.
  opener.once('error', () => undefined);
  opener.unref();
}

async function openInBrowser(): Promise<void> {
  await setupEditor('newest');
  const images = fs.readdirSync(samples).filter(name => name.endsWith('.png'));
  const editor = await Editor.start({
    extension: { folder: projectFolder },
    files: Object.fromEntries(images.map(name => [name, fs.readFileSync(path.join(samples, name))])),
  });
  console.log(`VS Code with Fovea: ${editor.url}`);
  console.log('Choose "Fovea: Analyze Image…" from the Command Palette (F1). Ctrl-C here ends it.');
  openBrowser(editor.url);
  await new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve();
      });
    }
  });
  await editor.stop();
}

if (!openDesktop()) await openInBrowser();
