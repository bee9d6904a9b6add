/** The panel of a traffic trace: what ranks of each run sent, to whom, when, and what that cost. */
import { decodeLedger } from '../../trace/traffic/ledger-tables.ts';
import { type LedgerTable, ledgerTables } from '../../trace/traffic/ledger.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import type { Pass } from '../../trace/traffic/schedule.ts';
import { ChartTables } from '../charts.ts';
import { currentTheme, followTheme } from '../colour/theme.ts';
import { atResolution, element } from '../element.ts';
import { inTheme } from '../figure/figure-theme.ts';
import { drawFigure, listFigures } from '../figure/figures.ts';
import { printSheet } from '../figure/printed.ts';
import { Announcer } from '../frame/announcer.ts';
import type { Host } from '../host.ts';
import type { FigureFormat, FigureName, FigureTheme, ToPanel, TrafficTensors } from '../messages.ts';
import { Playing } from '../playing.ts';
import { BlockStrip } from './block-strip.ts';
import { byteScale } from './byte-scale.ts';
import { ByteMatrix } from './byte-matrix.ts';
import { LinkBandwidth } from './link-bandwidth.ts';
import { LogicalChord } from './logical-chord.ts';
import { MemoryStacks } from './memory-stacks.ts';
import { OriginView } from './origin-view.ts';
import { QuadrantChart } from './quadrant-chart.ts';
import { type QuadrantData, quadrantData } from './quadrant-data.ts';
import { RingAxis } from './ring-axis.ts';
import { RunRow } from './run-row.ts';
import { AgreementTable, RunTable } from './run-table.ts';
import { type RunTraffic, runTraffic } from './run-traffic.ts';
import { laneLegend } from './swim-lanes.ts';
import { TrafficControls } from './traffic-controls.ts';
import { checkList, trafficFacts } from './traffic-facts.ts';
import { TrafficReadout } from './traffic-readout.ts';
import { type Focus, focusOf, type Pointed, readChoice, type TrafficChoice, unlocked } from './traffic-state.ts';
import { WorkloadPictures } from './workload-pictures.ts';

const figureResolution = 3;
/** Milliseconds a round. */
const roundPause = 700;
const margin = 32;
const leastWidth = 320;
const originWidth = { wide: 432, medium: 384 };
/** In a window that is not tall, images beside the charts give way down to this side so that the readout stays in sight. */
const leastOrigin = 264;
const aroundOrigin = 580;

export class TrafficPanel {
  readonly element: HTMLElement;
  private readonly metadata: TrafficMetadata;
  private readonly runs: readonly RunTraffic[];
  private readonly pictures: WorkloadPictures;
  private readonly tables = new ChartTables();
  private readonly announcer: Announcer;
  private readonly strip: BlockStrip;
  private readonly origin: OriginView;
  private readonly readout: TrafficReadout;
  private readonly controls: TrafficControls;
  private readonly rows: readonly RunRow[];
  private readonly runTable = new RunTable();
  private readonly bandwidth = new LinkBandwidth();
  private readonly memory = new MemoryStacks();
  private readonly chord = new LogicalChord();
  private readonly agreement = new AgreementTable();
  private readonly quadrants = new QuadrantChart();
  private readonly quadrantData = new Map<Pass, QuadrantData | undefined>();
  private readonly axis: RingAxis;
  private readonly playing: Playing;
  private readonly view: HTMLElement;
  private readonly ends: (() => void)[] = [];
  private choice: TrafficChoice;
  private pointed: Pointed = {};
  private frame = 0;

  constructor(
    { metadata, tensors, canRun }: Omit<Extract<ToPanel, { type: 'traffic' }>, 'type'>,
    private readonly host: Pick<Host, 'post' | 'savedState' | 'saveState'>,
  ) {
    this.metadata = metadata;
    this.runs = runTraffic(metadata, decodeLedger(ledgerOf(tensors)));
    this.pictures = new WorkloadPictures(metadata.workload, tensors);
    this.choice = readChoice(host.savedState(), this.runs);
    const point = (pointed: Pointed, click: boolean): void => {
      this.point(pointed, click);
    };
    this.announcer = new Announcer(text => {
      host.post({ type: 'status', text });
    });
    this.strip = new BlockStrip(metadata.workload, point);
    this.origin = new OriginView(metadata.workload, this.pictures, point);
    this.readout = new TrafficReadout(metadata.workload, this.pictures);
    this.controls = new TrafficControls(this.runs, change => {
      this.change(change);
    });
    this.rows = this.runs.map(run => new RunRow(run, point));
    this.axis = new RingAxis(point);
    this.playing = new Playing(
      () => this.step(),
      () => {
        this.axis.draw(this.focus, this.playing.on);
      },
      roundPause,
    );
    const details = element(
      'div',
      { class: 'details' },
      this.quadrants.element,
      this.chord.element,
      this.bandwidth.element,
      this.memory.element,
      this.agreement.element,
      checkList(this.runs),
    );
    const simulated = this.runs.some(({ run }) => run.links.simulated);
    const noRun = element('p', { 'data-testid': 'no-run' }, 'No run was recorded in this trace.');
    const canvas = element(
      'section',
      { class: 'traffic-canvas', 'aria-label': 'Traffic' },
      this.controls.element,
      ...(this.runs.length > 0 ? [laneLegend(simulated)] : [noRun]),
      ...this.rows.map(row => row.element),
      this.runTable.element,
      details,
    );
    const origin = element(
      'section',
      { class: 'traffic-left', 'aria-label': 'Workload' },
      this.origin.element,
      this.readout.element,
    );
    this.view = element(
      'div',
      { class: 'traffic-view' },
      element('main', { 'aria-label': 'Traffic' }, origin, canvas),
      this.axis.element,
    );
    this.element = element(
      'div',
      { class: 'panel traffic' },
      trafficFacts(metadata, this.runs, host, canRun),
      this.strip.element,
      this.view,
      this.announcer.element,
    );
  }

  /** Call when the element is in the document. */
  start(): void {
    if (this.runs.length === 0) {
      document.body.dataset['ready'] = '1';
      return;
    }
    this.register();
    const redraw = (): void => {
      this.draw();
    };
    const resized = new ResizeObserver(redraw);
    resized.observe(document.body);
    document.addEventListener('keydown', this.pressed);
    this.ends.push(
      followTheme(redraw),
      this.tables.listenToCopy(),
      () => {
        resized.disconnect();
      },
      () => {
        document.removeEventListener('keydown', this.pressed);
      },
    );
    this.draw();
    this.pictures.load().then(redraw, (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.host.post({ type: 'error', message: `The pictures of the frames could not be shown: ${message}` });
    });
    requestAnimationFrame(() => {
      document.body.dataset['ready'] = '1';
    });
  }

  dispose(): void {
    this.playing.stop();
    window.cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
    this.announcer.dispose();
  }

  figures(): FigureName[] {
    return listFigures(this.tables, this.view, this.metadata.workload.name);
  }

  /** The figure as it is shown now, hovering apart. @throws Error when it is not in sight */
  async drawFigure(id: number, format: FigureFormat, theme: FigureTheme): Promise<Uint8Array<ArrayBuffer>> {
    this.pointed = {};
    const draw = (forFigure: boolean): void => {
      atResolution(forFigure ? figureResolution : window.devicePixelRatio || 1, () => {
        this.draw();
      });
    };
    const sheet = inTheme(theme, draw, () =>
      drawFigure(this.tables, this.view, id, {
        theme: currentTheme(),
        standing: this.standing(),
        scaleOf: () => undefined,
      }),
    );
    this.draw();
    return printSheet(sheet, format);
  }

  private register(): void {
    const { tables } = this;
    tables.add(this.origin.element, this.origin.body, () => this.origin.data(), { title: 'Workload' });
    for (const row of this.rows) row.register(tables);
    tables.add(this.runTable.element, this.runTable.body, () => this.runTable.data(), { title: 'Bytes and times' });
    tables.add(this.quadrants.element, this.quadrants.body, () => this.quadrants.data());
    tables.add(this.bandwidth.element, this.bandwidth.body, () => this.bandwidth.data());
    tables.add(this.memory.element, this.memory.body, () => this.memory.data());
    tables.add(this.chord.element, this.chord.body, () => this.chord.data());
    tables.add(this.agreement.element, this.agreement.body, () => this.agreement.data());
  }

  private get shown(): readonly RunTraffic[] {
    return this.runs.filter(({ run }) => run.pass === this.choice.pass);
  }

  private get focus(): Focus {
    return focusOf(this.runs, this.choice, this.pointed);
  }

  private point(pointed: Pointed, click: boolean): void {
    if (click) {
      const { run, rank, round } = focusOf(this.runs, this.choice, pointed);
      this.pointed = {};
      this.change({ run: run.index, rank, round });
      return;
    }
    if (samePoint(pointed, this.pointed)) return;
    this.pointed = pointed;
    window.cancelAnimationFrame(this.frame);
    this.frame = window.requestAnimationFrame(() => {
      this.draw();
    });
  }

  private change(part: Partial<TrafficChoice>): void {
    this.choice = readChoice({ ...this.choice, ...part }, this.runs);
    this.host.saveState(this.choice);
    this.draw();
    this.tables.refresh();
  }

  private draw(): void {
    const { shown, focus, choice } = this;
    if (shown.length === 0) return;
    const theme = currentTheme();
    const width = Math.max(leastWidth, document.documentElement.clientWidth);
    const mode = width >= 1280 ? 'wide' : width >= 900 ? 'medium' : width >= 640 ? 'stacked' : 'narrow';
    for (const each of ['wide', 'medium', 'stacked', 'narrow']) this.element.classList.toggle(each, each === mode);
    const beside = mode === 'wide' || mode === 'medium';
    const origin = beside ? originWidth[mode] : Math.min(originWidth.wide, width - margin);
    const canvas = beside ? width - origin - margin - 24 : width - margin;
    const matrices = shown.flatMap(run => ByteMatrix.values(run, choice, Math.min(focus.round, run.rounds)).flat());
    const scale = byteScale(matrices, theme.scheme);
    const end = Math.max(...shown.map(runEnd));
    this.controls.draw(choice, focus, scale, theme.scheme);
    this.strip.draw(focus);
    const side = beside ? Math.max(leastOrigin, Math.min(origin, window.innerHeight - aroundOrigin)) : origin;
    this.origin.draw(focus, this.pictures.frames.length > 0 ? side : origin, theme);
    this.readout.draw(focus);
    for (const row of this.rows) {
      row.element.hidden = !shown.includes(row.run);
      if (!row.element.hidden)
        row.draw(choice, focus, scale, {
          canvas,
          end: choice.timeAxis === 'shared' ? end : runEnd(row.run),
          narrow: mode === 'narrow',
        });
    }
    this.runTable.draw(shown, focus);
    const detail = Math.max(300, mode === 'narrow' || mode === 'stacked' ? canvas : Math.floor((canvas - 24) / 2));
    this.quadrants.draw(this.quadrantsOf(choice.pass), detail, theme);
    this.bandwidth.draw(shown, focus, detail, choice.timeAxis === 'shared');
    this.memory.draw(shown, focus, detail);
    this.chord.draw(focus);
    this.agreement.draw(shown);
    this.axis.draw(focus, this.playing.on);
    this.announcer.say(this.readout.spoken(focus));
  }

  /** Made once for each pass: hundreds of predictions. */
  private quadrantsOf(pass: Pass): QuadrantData | undefined {
    if (!this.quadrantData.has(pass))
      this.quadrantData.set(pass, quadrantData(this.runs, this.metadata.workload, pass));
    return this.quadrantData.get(pass);
  }

  private step(): boolean {
    const { run, round } = this.focus;
    if (round >= run.rounds) return false;
    this.change({ round: round + 1 });
    return round + 1 < run.rounds;
  }

  private standing(): string {
    const { workload, producer, id, created } = this.metadata;
    const { run, rank, round } = focusOf(this.runs, this.choice, {});
    const [sentences, links] = [workload.description.replace(/\.$/, ''), run.run.links.description];
    return (
      `Shown: rank ${rank}, round ${round}. Workload ${workload.name}: ${sentences}; links: ${links}; ${run.run.backend.name}, ${run.run.backend.hardware}. ` +
      `Fovea ${producer.version}, trace ${id.slice(0, 8)} of ${created.slice(0, 10)}.`
    );
  }

  private readonly pressed = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target instanceof Element && target.closest('vscode-dropdown, input, textarea') !== null) return;
    const onButton = target instanceof HTMLButtonElement;
    const { on: wasPlaying } = this.playing;
    this.playing.stop();
    if (event.key === ' ' && !onButton) {
      if (!wasPlaying) this.play();
      event.preventDefault();
      this.draw();
      return;
    }
    const act = this.meanings[event.key];
    if (!act || (onButton && event.key === 'Enter')) return;
    act();
    event.preventDefault();
  };

  private play(): void {
    const { run, round } = this.focus;
    if (round >= run.rounds) this.change({ round: 0 });
    this.playing.start();
  }

  private readonly meanings: Readonly<Partial<Record<string, () => void>>> = {
    ArrowLeft: () => {
      this.move({ round: -1 });
    },
    ArrowRight: () => {
      this.move({ round: 1 });
    },
    ArrowUp: () => {
      this.move({ rank: -1 });
    },
    ArrowDown: () => {
      this.move({ rank: 1 });
    },
    ',': () => {
      this.move({ rank: -1 });
    },
    '.': () => {
      this.move({ rank: 1 });
    },
    Enter: () => {
      this.point(this.pointed, true);
    },
    Escape: () => {
      this.pointed = {};
      this.change(unlocked(this.choice));
    },
    t: () => {
      this.tables.toggle();
    },
    s: () => {
      const chart = this.tables.focused();
      this.host.post({ type: 'saveFigure', figure: chart && this.tables.all.indexOf(chart) });
    },
  };

  /** From what is in focus now; ranks go around, rounds end. */
  private move({ rank = 0, round = 0 }: { readonly rank?: number; readonly round?: number }): void {
    const { focus } = this;
    const { ranks, rounds, index } = focus.run;
    this.pointed = {};
    this.change({
      run: index,
      rank: (focus.rank + rank + ranks) % ranks,
      round: Math.max(0, Math.min(rounds, focus.round + round)),
    });
  }
}

/** The lanes end with the last event, or where the prediction does. */
const runEnd = ({ end, run }: RunTraffic): number => Math.max(end, (run.predicted?.total ?? 0) * 1e9, 1);

const samePoint = (a: Pointed, b: Pointed): boolean =>
  a.run === b.run && a.rank === b.rank && a.round === b.round && a.owner === b.owner;

function ledgerOf(tensors: TrafficTensors): Partial<Record<LedgerTable, Float64Array>> {
  const tables: Partial<Record<LedgerTable, Float64Array>> = {};
  for (const table of ledgerTables) {
    const data = tensors[table]?.data;
    if (data) tables[table] = new Float64Array(data.slice().buffer);
  }
  return tables;
}
