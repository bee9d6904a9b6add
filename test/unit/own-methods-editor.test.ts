/** How the editor names the user's own methods and where it lets them write. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { liveRequest, liveTracePath } from '../../extension/methods/live-request.ts';
import { methodFile, methodName } from '../../extension/methods/method-name.ts';
import { methodPaths, workspaceMethodPaths } from '../../extension/methods/method-paths.ts';
import { isSameFile, mayRun } from '../../extension/methods/named-module.ts';
import { smallRun } from '../fixtures/small-run.ts';

test('a title becomes a name of letters, digits and hyphens, and a file of that name', () => {
  assert.equal(methodName('  Keep the brightest! '), 'keep-the-brightest');
  assert.equal(methodName('Größe 2'), 'gro-e-2');
  assert.equal(methodName('…'), '');
  assert.equal(methodFile('Mine'), 'mine.mjs');
  assert.equal(methodName('x'.repeat(200)).length, 60);
});

test('paths in the setting are taken from the workspace folder; what is no path is left out', () => {
  const folder = path.resolve('/home/somebody/project');
  const absolute = path.resolve('/elsewhere/b.mjs');
  assert.deepEqual(methodPaths(['methods/a.mjs', absolute, ' ', 3, 'methods/../methods/a.mjs'], folder), [
    path.join(folder, 'methods/a.mjs'),
    absolute,
  ]);
  assert.deepEqual(methodPaths(['methods/a.mjs', absolute], undefined), [absolute]);
  assert.deepEqual(methodPaths('methods/a.mjs', folder), []);
});

test('with several folders, each adds what was set for it alone; the first one what was set for all', () => {
  const [first, second] = [path.resolve('/first'), path.resolve('/second')];
  const paths = workspaceMethodPaths([
    { path: first, value: ['methods/a.mjs'], ownValue: undefined },
    { path: second, value: ['methods/b.mjs'], ownValue: ['methods/b.mjs'] },
    { path: path.resolve('/third'), value: ['methods/a.mjs'], ownValue: undefined },
  ]);
  assert.deepEqual(paths, [path.join(first, 'methods/a.mjs'), path.join(second, 'methods/b.mjs')]);
});

test('a run is written again beside the first one, and always to the same place', () => {
  assert.equal(liveTracePath('/runs/a.fovea'), '/runs/a-live.fovea');
  assert.equal(liveTracePath('/runs/a-live.fovea'), '/runs/a-live.fovea');
});

test('a trace names methods of Fovea freely, and modules only if the user named them, too', () => {
  const own = path.resolve('/project/methods/a.mjs');
  const named = [own];
  for (const method of ['none', 'fastv', 'fastv+flexattention', own, `${own}+flexattention`, `${own}+llava-hd`])
    assert.ok(mayRun(method, named), method);
  const other = path.resolve('/project/scripts/deploy.mjs');
  for (const method of [
    other,
    `${other}+flexattention`,
    'deploy.mjs',
    'deploy.JS+flexattention',
    './a',
    'methods\\a.cjs',
  ])
    assert.ok(!mayRun(method, named), method);
});

test('a drive of Windows is the same however it is written; other names are not', () => {
  assert.ok(isSameFile('C:\\methods\\a.mjs', 'c:\\methods\\a.mjs'));
  assert.ok(isSameFile('/methods/../methods/a.mjs', '/methods/a.mjs'));
  assert.ok(!isSameFile('/Methods/a.mjs', '/methods/a.mjs'));
});

test('saving a method runs as the run was: settings that traces do not hold, and the second method, too', () => {
  const module = path.resolve('/project/methods/a.mjs');
  const run = {
    ...smallRun,
    image: { ...smallRun.image, path: path.resolve('/images/a.png') },
    method: {
      name: 'mine',
      parameters: { keep: 4, seed: 1 },
      given: ['keep'],
      budget: { asked: 64, reached: 64, counted: 'entering' },
      beside: { name: 'flexattention', title: 'FlexAttention', variant: 'paper', parameters: { count: 9 } },
      module: { path: module, digest: '' },
    },
  } as const;
  const request = liveRequest('/runs/a.fovea', run, module, '/bundled', {
    device: 'cpu',
    threads: 2,
    visionTower: '/towers/clip',
  });
  assert.equal(request.visionTower, '/towers/clip');
  assert.equal(request.tracePath, '/runs/a-live.fovea');
  assert.deepEqual(request.method, {
    name: `${module}+flexattention`,
    budget: 64,
    parameters: { keep: 4, 'flexattention.count': 9, 'flexattention.variant': 'paper' },
  });
  const alone = { ...run, method: { name: 'mine', parameters: { keep: 4 }, module: run.method.module } };
  const plain = liveRequest('/runs/a.fovea', alone, module, '/bundled', { device: 'cpu', threads: 0 });
  assert.deepEqual(plain.method, { name: module });
  assert.ok(!('visionTower' in plain));
});
