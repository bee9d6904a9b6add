import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hoverLanguages } from '../../extension/hover/languages.ts';
import { imageExtensions } from '../../extension/image-files.ts';
import { devices } from '../../native/rpc.ts';
import { traceExtension } from '../../trace/schema.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly icon: string;
  readonly activationEvents: readonly string[];
  readonly capabilities: { readonly untrustedWorkspaces: { readonly restrictedConfigurations: readonly string[] } };
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when: string }[]>>;
    readonly keybindings: readonly { readonly command: string }[];
    readonly customEditors: readonly {
      readonly viewType: string;
      readonly selector: readonly { readonly filenamePattern: string }[];
    }[];
    readonly languages: readonly {
      readonly extensions: readonly string[];
      readonly icon: Readonly<Record<string, string>>;
    }[];
    readonly configuration: {
      readonly properties: Readonly<Record<string, { readonly enum?: readonly string[]; readonly order: number }>>;
    };
  };
}

const manifestText = readFileSync(path.join(root, 'package.json'), 'utf8');
const manifest = JSON.parse(manifestText) as Manifest;
const { contributes } = manifest;
const words = JSON.parse(readFileSync(path.join(root, 'package.nls.json'), 'utf8')) as Record<string, string>;
const sources = readdirSync(path.join(root, 'extension'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => readFileSync(path.join(root, 'extension', name), 'utf8'))
  .join('\n');

function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(match => match[1]!))].sort();
}

const declared = contributes.commands.map(({ command }) => command).sort();
const settings = Object.keys(contributes.configuration.properties);

test('every declared command is registered, and every registered command is declared', () => {
  const registered = found(sources, /registerCommand\(\s*'([^']+)'/g);
  assert.ok(registered.length > 0);
  assert.deepEqual(registered, declared);
});

test('menus, keybindings, status bar and setting texts name declared commands only', () => {
  const used = [
    ...Object.values(contributes.menus).flatMap(items => items.map(({ command }) => command)),
    ...contributes.keybindings.map(({ command }) => command),
    ...found(sources, /executeCommand\(\s*'(fovea\.[^']+)'/g),
    ...found(sources, /\.command = '(fovea\.[^']+)'/g),
    ...found(Object.values(words).join('\n'), /\(command:([\w.]+)\)/g),
  ];
  assert.deepEqual(
    used.filter(command => !declared.includes(command)),
    [],
  );
});

test('menus of a trace fit its kind, by keys that the extension sets', () => {
  const { commandPalette = [], 'editor/title': title = [] } = contributes.menus;
  const onTraces = [...commandPalette, ...title].filter(({ when }) => when.includes("'fovea.trace'"));
  const anyKind = ['fovea.exportReport', 'fovea.saveFigure'];
  for (const { command, when } of onTraces) {
    const [, key] = /resourceFilename in (\S+)/.exec(when) ?? [];
    if (anyKind.includes(command)) assert.equal(key, undefined, command);
    else assert.equal(key, command === 'fovea.exportPerfetto' ? 'fovea.openTraffic' : 'fovea.openRuns', command);
    assert.ok(key === undefined || sources.includes(`'${key}'`), `${key} is never set`);
  }
  assert.ok(onTraces.length >= 6);
});

test('every command that the panel may ask for is declared', () => {
  const messages = readFileSync(path.join(root, 'webview/messages.ts'), 'utf8');
  const [, union = ''] = /export type PanelCommand =([^;]+);/.exec(messages) ?? [];
  const asked = found(union, /'(\w+)'/g);
  assert.ok(asked.length > 0);
  assert.deepEqual(
    asked.filter(command => !declared.includes(`fovea.${command}`)),
    [],
  );
});

test('every text of the manifest exists, and no text is left over', () => {
  assert.deepEqual(found(manifestText, /"%([^%"]+)%"/g), Object.keys(words).sort());
});

test('every setting that is read is declared, and every declared setting is read', () => {
  const read = found(sources, /values\.get(?:<\w+>)?\(\s*'([^']+)'/g).map(key => `fovea.${key}`);
  assert.deepEqual(read, [...settings].sort());
  const named = found(sources, /(?:affectsConfiguration\(|openSettings',\s*)'fovea\.([^']+)'/g);
  assert.deepEqual(
    named.filter(key => !settings.includes(`fovea.${key}`)),
    [],
  );
});

test('the README names every setting, and every command that the palette offers, as it is called', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8').replace(/\s+/g, ' ');
  assert.deepEqual(
    settings.filter(setting => !readme.includes(`\`${setting}\``)),
    [],
  );
  const hidden = (contributes.menus['commandPalette'] ?? []).filter(({ when }) => when === 'false');
  const titles = contributes.commands
    .filter(({ command }) => !hidden.some(other => other.command === command))
    .map(({ title }) => words[title.replaceAll('%', '')]!);
  assert.ok(titles.length > 10);
  assert.deepEqual(
    titles.filter(title => !readme.includes(title)),
    [],
  );
  const named = found(readme, /\*\*Fovea: ([^*]+)\*\*/g);
  assert.deepEqual(
    named.filter(title => !titles.includes(title)),
    [],
  );
});

test('every restricted setting exists, and settings are in order', () => {
  const { restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
  assert.deepEqual(
    restrictedConfigurations.filter(key => !settings.includes(key)),
    [],
  );
  assert.deepEqual(
    Object.values(contributes.configuration.properties).map(({ order }) => order),
    settings.map((_, index) => index + 1),
  );
});

test('menus on images list the endings that the host accepts', () => {
  const onImages = Object.values(contributes.menus)
    .flat()
    .filter(({ when }) => when.includes('resourceExtname =~'));
  assert.ok(onImages.length >= 2);
  for (const { when } of onImages) assert.ok(when.includes(`/^\\.(${imageExtensions.join('|')})$/i`), when);
});

test('devices, the trace ending and the editor are the same in manifest and code', () => {
  assert.deepEqual(contributes.configuration.properties['fovea.device']?.enum, devices);
  assert.deepEqual(contributes.languages[0]?.extensions, [traceExtension]);
  const [editor] = contributes.customEditors;
  assert.equal(editor?.selector[0]?.filenamePattern, `*${traceExtension}`);
  assert.ok(sources.includes(`traceViewType = '${editor.viewType}'`));
});

test('icons exist, and nothing but a language with hovers activates the extension before it is used', () => {
  for (const file of [manifest.icon, ...contributes.languages.flatMap(({ icon }) => Object.values(icon))]) {
    assert.ok(existsSync(path.join(root, file)), file);
  }
  assert.deepEqual(
    manifest.activationEvents,
    hoverLanguages.map(language => `onLanguage:${language}`),
  );
});

test('activation loads neither the RPC library nor the trace reader: they are imported on demand', () => {
  const eager = new Set<string>();
  const follow = (file: string): void => {
    if (eager.has(file)) return;
    eager.add(file);
    const text = readFileSync(file, 'utf8');
    for (const match of text.matchAll(/^(?:import|export)\s+(?!type\b)[^;]*?from\s+'([^']+)'/gm)) {
      const target = match[1]!;
      if (target.startsWith('.')) follow(path.resolve(path.dirname(file), target));
      else eager.add(target);
    }
  };
  follow(path.join(root, 'extension/extension.ts'));
  const loaded = [...eager].map(file => path.relative(root, file));
  assert.ok(loaded.includes('extension/pipeline/client.ts'));
  for (const heavy of ['trace/reader.ts', 'trace/file.ts', 'native/rpc.ts', 'extension/pipeline/process.ts']) {
    assert.ok(!loaded.includes(heavy), `${heavy} is loaded at activation`);
  }
  assert.deepEqual(
    [...eager].filter(file => /jsonrpc|onnxruntime|sharp/.test(path.basename(file))),
    [],
  );
});
