/** The run bar of a traffic trace: what ran on what, and everything that must be known before its numbers are believed. */
import { presets } from '../../trace/traffic/presets.ts';
import { maskSentences } from '../../trace/traffic/masks.ts';
import { rankCount, rowTotal, type TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { linkButton } from '../controls.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import type { Host } from '../host.ts';
import { byteMismatches, type RunTraffic } from './run-traffic.ts';

export function trafficFacts(
  metadata: TrafficMetadata,
  runs: readonly RunTraffic[],
  host: Pick<Host, 'post'>,
  canRun: boolean,
): HTMLElement {
  const { workload } = metadata;
  const { queryHeads, keyValueHeads, headSize } = workload.shape;
  const { queryRows, keyRows } = workload.sharding;
  const first = runs[0]?.run;
  const fact = (name: string, value: string, hint?: string): HTMLElement =>
    element(
      'span',
      { class: 'fact', 'data-fact': name, title: hint ?? value },
      element('span', { class: 'dim small' }, name),
      ` ${value}`,
    );
  const hosts = first ? `, ${first.backend.hosts} ${first.backend.hosts === 1 ? 'host' : 'hosts'}` : '';
  const sizes = `${count(rowTotal(keyRows))} keys × ${count(rowTotal(queryRows))} queries`;
  const command = (name: string, text: string, what: 'exportPerfetto' | 'runTraffic'): HTMLElement =>
    linkButton(name, text, () => {
      host.post({ type: 'command', command: what });
    });
  return element(
    'header',
    { class: 'traffic-facts' },
    element(
      'div',
      { class: 'facts' },
      fact('workload', workload.source === 'sizes' ? sizes : `${workload.name}: ${sizes}`),
      fact(
        'heads',
        `${queryHeads}${keyValueHeads === queryHeads ? '' : ` over ${keyValueHeads} of keys and values`}, size ${headSize}, ${workload.element}`,
      ),
      fact('ranks', `${rankCount(workload)}${hosts}`, first?.backend.devices.join(', ')),
      ...(first ? [fact('backend', `${first.backend.name}, ${first.backend.hardware}`, first.backend.kernel)] : []),
      ...(first ? [fact('links', first.links.description)] : []),
      element(
        'span',
        { class: 'actions' },
        ...(canRun
          ? [command('run-traffic', 'Run Again…', 'runTraffic')]
          : [element('small', { 'data-testid': 'untrusted' }, 'Running needs a trusted workspace')]),
        command('export-perfetto', 'Export for Perfetto…', 'exportPerfetto'),
      ),
    ),
    element('p', { class: 'small', 'data-testid': 'workload-words' }, workloadWords(metadata)),
    ...cautions(metadata, runs).map(text =>
      element('p', { class: 'warn small', 'data-testid': 'traffic-caution' }, text),
    ),
    ...violations(runs),
  );
}

/** Where queries, keys and values come from, in plain words. */
function workloadWords({ workload }: TrafficMetadata): string {
  const preset = presets.find(({ name }) => workload.name.startsWith(name));
  const words = [
    `${workload.description.replace(/\.$/, '')}.`,
    ...(preset ? [`Sizes of ${preset.title}, from the tables of the LV-XAttn paper.`] : []),
    ...(maskSentences[workload.mask] === undefined ? [] : [maskSentences[workload.mask]!]),
    ...(workload.layers > 1 ? [`One of ${workload.layers} cross-attention layers was run.`] : []),
    ...(workload.question === undefined ? [] : [`Asked: “${workload.question}”.`]),
  ];
  return words.join(' ');
}

function cautions({ workload }: TrafficMetadata, runs: readonly RunTraffic[]): string[] {
  const words: string[] = [];
  if (runs.some(({ run }) => run.links.simulated))
    words.push(
      'Links are simulated: transfers take the time that the named latency and bandwidth imply; they measure no hardware.',
    );
  const first = runs[0]?.run;
  if (first && !first.links.simulated && first.backend.name === 'embedded')
    words.push(
      'Ranks are threads of one process and hand messages over in memory: their transfer times say nothing about a network.',
    );
  if (first && new Set(first.backend.devices).size < first.backend.devices.length && first.backend.name !== 'embedded')
    words.push('Several ranks share one device: they wait for each other.');
  if (workload.scaledBy !== undefined && workload.scaledBy > 1)
    words.push(`The preset’s tokens were divided by ${count(workload.scaledBy)} so that they fit.`);
  if (workload.unverified && workload.unverified.length > 0)
    words.push(`Not confirmed by the paper or a published configuration: ${workload.unverified.join(', ')}.`);
  for (const { run, title } of runs) {
    if (run.status.state !== 'partial') continue;
    const { message, hint, rank } = run.status.cause;
    words.push(
      `${title} broke off${rank === undefined ? '' : ` on rank ${rank}`}: ${message} ${hint} What was recorded until then is shown.`,
    );
  }
  return words;
}

const mostRows = 8;

/** A run that did not do what its schedule and formulas say: red, with both numbers. */
function violations(runs: readonly RunTraffic[]): HTMLElement[] {
  const rows = runs.flatMap(({ run, title }) => {
    const failed = run.checks
      .filter(({ passed }) => !passed)
      .map(({ name, message }) => `${title}, ${name}: ${message}`);
    const bytes =
      run.status.state === 'partial'
        ? []
        : byteMismatches(run).map(
            ({ rank, sent, expected }) =>
              `${title}, rank ${rank}: ${count(sent)} bytes counted, ${count(expected)} by the formula.`,
          );
    return [...bytes, ...failed];
  });
  if (rows.length === 0) return [];
  const more = rows.length > mostRows ? [element('p', {}, `And ${rows.length - mostRows} more.`)] : [];
  return [
    element(
      'div',
      { class: 'violations', role: 'alert', 'data-testid': 'violations' },
      ...rows.slice(0, mostRows).map(row => element('p', {}, row)),
      ...more,
    ),
  ];
}

/** Every assertion that was made after the runs. */
export function checkList(runs: readonly RunTraffic[]): HTMLElement {
  const none = element('p', { class: 'dim' }, 'None was made.');
  const checked = runs.filter(({ run }) => run.checks.length > 0);
  return element(
    'section',
    { class: 'detail checks', 'data-testid': 'checks' },
    element('h2', {}, 'Checks'),
    ...(checked.length > 0 ? checked.map(run => checksOf(run, runs.length <= mostOpenRuns)) : [none]),
  );
}

/** Of so few runs all checks are read at a glance; of more, those that failed stand open. */
const mostOpenRuns = 2;

function checksOf({ run, title }: RunTraffic, open: boolean): HTMLElement {
  const failed = run.checks.filter(({ passed }) => !passed);
  const lines = run.checks.map(({ name, passed, message }) =>
    element(
      'li',
      { class: passed ? 'passed' : 'violated' },
      element('span', {}, `${passed ? '✓' : '✗'} ${name}: `),
      element('span', { class: 'dim' }, message),
    ),
  );
  const names = run.checks.map(({ name }) => name).join(', ');
  const said =
    failed.length > 0 ? `${failed.length} of ${run.checks.length} failed` : `all ${run.checks.length} hold: ${names}`;
  return element(
    'details',
    { ...((open || failed.length > 0) && { open: '' }) },
    element(
      'summary',
      { class: failed.length > 0 ? 'violated' : 'passed' },
      element('span', {}, `${title}, ${run.pass}: `),
      element('span', { class: 'dim' }, said),
    ),
    element('ul', {}, ...lines),
  );
}
