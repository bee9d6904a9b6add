/** The traces that a page carries, and a panel over each: the same ones that VS Code opens. */
import { embeddedFile } from '../../trace/embedded-file.ts';
import { embeddedTraceId, type EmbeddedTrace } from '../../trace/embedding.ts';
import { EvaluationReader } from '../../trace/evaluation/reader.ts';
import { readTraceKind } from '../../trace/kind.ts';
import { TrafficReader } from '../../trace/traffic/reader.ts';
import { ownRun } from '../compare/comparison.ts';
import { EvaluationPanel } from '../evaluation/evaluation-panel.ts';
import type { Host } from '../host.ts';
import { Panel } from '../panel.ts';
import { EmbeddedSource } from '../source/embedded-source.ts';
import { TrafficPanel } from '../traffic/traffic-panel.ts';

export type AnyPanel = Panel | EvaluationPanel | TrafficPanel;

export class EmbeddedTraces {
  private readonly traces: readonly EmbeddedTrace[] = embeddedTraces();
  private readonly runs = new Map<EmbeddedTrace, Promise<EmbeddedSource>>();

  /** What the reader chooses among. */
  get names(): readonly string[] {
    return this.traces.map(({ name }, index) => name ?? String(index + 1));
  }

  /** @throws TraceError, TypeError for a page that is damaged */
  async open(index: number, host: Host): Promise<AnyPanel> {
    const trace = this.traces[index]!;
    const known = this.runs.get(trace);
    if (known) return Panel.open(await known, host, false);
    const file = await embeddedFile(trace, textOf);
    switch (await readTraceKind(file)) {
      case 'evaluation':
        return new EvaluationPanel(await (await EvaluationReader.open(file)).evaluation(), host, false);
      case 'traffic': {
        const reader = await TrafficReader.open(file);
        return new TrafficPanel({ metadata: reader.metadata, tensors: await reader.contents(), canRun: false }, host);
      }
      case 'run':
        this.runs.set(trace, EmbeddedSource.open(file));
        return Panel.open(await this.run(trace), host, false);
    }
  }

  /** Puts the other runs of the page next to the one that this panel shows. @param still whether the panel is on screen */
  async compare(panel: AnyPanel, index: number, still: () => boolean): Promise<void> {
    const others = this.traces.filter((_, at) => at !== index);
    if (!(panel instanceof Panel) || others.length === 0) return;
    const sources = await Promise.all(others.map(trace => this.run(trace)));
    if (!still()) return;
    const further = others.map((trace, at) => {
      const place = this.traces.indexOf(trace);
      return { address: `${ownRun} ${place}`, name: this.names[place]!, source: sources[at]! };
    });
    panel.compare(further, false);
  }

  private run(trace: EmbeddedTrace): Promise<EmbeddedSource> {
    const known = this.runs.get(trace) ?? embeddedFile(trace, textOf).then(file => EmbeddedSource.open(file));
    this.runs.set(trace, known);
    return known;
  }
}

const textOf = (id: string): string => document.getElementById(id)?.textContent ?? '';

/** Those that were not too large for the page. */
function embeddedTraces(): EmbeddedTrace[] {
  const traces: EmbeddedTrace[] = [];
  for (let text = textOf(embeddedTraceId()); text !== ''; text = textOf(embeddedTraceId(traces.length)))
    traces.push(JSON.parse(text) as EmbeddedTrace);
  return traces.filter(({ tensors }) => tensors.length > 0);
}
