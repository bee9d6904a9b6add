import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { plainLabel, plainMessage } from '../../extension/plain-words.ts';

/** What VS Code makes links of in notifications (src/vs/base/common/linkedText.ts). */
const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;
/** What VS Code makes icons of in labels; a backslash before it keeps the letters. */
const icon = /(?<!\\)\$\([\w~-]+\)/;

test('a name from a trace is no link in a notification, and is still read as it was written', () => {
  const hostile = [
    '[Locate](command:workbench.action.terminal.sendSequence?%7B%7D).png',
    '[a](https://example.com "title")',
    '[[a](command:x)](command:y)',
    '[a](file:///etc/passwd)',
  ];
  for (const name of hostile) {
    assert.match(name, link, 'would be one');
    assert.doesNotMatch(plainMessage(`The image is no longer at ${name}.`), link);
    assert.equal(plainMessage(name).replaceAll('] (', ']('), name);
  }
});

test('a word of the answer is no icon in labels and in the status bar', () => {
  assert.match('$(trash) $(sync~spin)', icon);
  assert.doesNotMatch(plainLabel('$(trash) $(sync~spin)'), icon);
});

test('nothing shows a notification around this', () => {
  const folder = fileURLToPath(new URL('../../extension', import.meta.url));
  const around = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .filter(name =>
      /window\s*\.show(Information|Warning|Error)Message/.test(readFileSync(path.join(folder, name), 'utf8')),
    );
  // A modal dialog makes no links.
  assert.deepEqual(around.sort(), [path.join('analysis', 'network-consent.ts'), 'notifications.ts']);
});
