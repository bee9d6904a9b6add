/** The control row: what the matrix counts, of which rounds, and how the time axis runs. */
import { element, setText } from '../element.ts';
import { drawSegments, type Segments } from '../segments.ts';
import { svgElement } from '../svg.ts';
import type { Scheme } from '../colour/colour-map.ts';
import type { ByteScale } from './byte-scale.ts';
import { bytes } from './quantity.ts';
import type { RunTraffic } from './run-traffic.ts';
import type { Focus, TrafficChoice } from './traffic-state.ts';

const rampWidth = 96;
const rampSteps = 24;

export class TrafficControls {
  readonly element: HTMLElement;
  private readonly pass: Segments<TrafficChoice['pass']>;
  private readonly matrix: Segments<TrafficChoice['matrix']>;
  private readonly rounds: Segments<TrafficChoice['rounds']>;
  private readonly timeAxis: Segments<TrafficChoice['timeAxis']>;
  private readonly ramp = svgElement('svg', { width: rampWidth, height: 10, 'aria-hidden': 'true' });
  private readonly scale = element('small', { 'data-testid': 'byte-scale' });

  constructor(runs: readonly RunTraffic[], change: (part: Partial<TrafficChoice>) => void) {
    this.pass = drawSegments(
      'pass',
      'Pass',
      [
        { value: 'forward', text: 'forward', words: 'The forward passes' },
        { value: 'backward', text: 'backward', words: 'The backward passes' },
      ],
      pass => {
        change({ pass });
      },
    );
    this.matrix = drawSegments(
      'matrix',
      'Matrix',
      [
        { value: 'hops', text: 'hops', words: 'What each link carried, from rank to rank' },
        { value: 'owners', text: 'owner → consumer', words: 'Whose block arrived where, over however many hops' },
      ],
      matrix => {
        change({ matrix });
      },
    );
    this.rounds = drawSegments(
      'rounds',
      'Rounds of the matrix',
      [
        { value: 'upTo', text: 'up to', words: 'From the first round to this one' },
        { value: 'only', text: 'only', words: 'This round alone' },
        { value: 'all', text: 'all', words: 'The whole run' },
      ],
      rounds => {
        change({ rounds });
      },
    );
    this.timeAxis = drawSegments(
      'time-axis',
      'Time axis',
      [
        { value: 'shared', text: 'shared', words: 'All runs end where the longest one does' },
        { value: 'own', text: 'own', words: 'Each run fills its lanes' },
      ],
      timeAxis => {
        change({ timeAxis });
      },
    );
    const control = (name: string, segments: { readonly element: HTMLElement }): HTMLElement =>
      element('span', { class: 'control' }, element('span', { class: 'dim small' }, name), segments.element);
    const passes = new Set(runs.map(({ run }) => run.pass));
    this.element = element(
      'div',
      { class: 'traffic-controls' },
      ...(passes.size > 1 ? [control('Pass', this.pass)] : []),
      control('Matrix', this.matrix),
      control('Rounds', this.rounds),
      ...(runs.length > 1 ? [control('Time axis', this.timeAxis)] : []),
      element('span', { class: 'byte-legend' }, this.ramp, this.scale),
    );
  }

  draw(choice: TrafficChoice, { round, run }: Focus, scale: ByteScale, scheme: Scheme): void {
    this.pass.show(choice.pass);
    this.matrix.show(choice.matrix);
    this.rounds.show(choice.rounds);
    this.timeAxis.show(choice.timeAxis);
    const now = round < run.rounds ? String(round) : 'home';
    for (const [value, text] of [
      ['upTo', `up to ${now}`],
      ['only', `only ${now}`],
    ] as const) {
      const button = this.element.querySelector(`[data-testid="rounds-${value}"]`);
      if (button) setText(button, text);
    }
    setText(this.scale, `${bytes(scale.low)} to ${bytes(scale.high)}, logarithmic, all runs`);
    const key = `${scheme} ${scale.low} ${scale.high}`;
    if (this.ramp.dataset['scale'] === key) return;
    this.ramp.dataset['scale'] = key;
    this.ramp.replaceChildren(
      ...Array.from({ length: rampSteps }, (_, step) =>
        svgElement('rect', {
          x: (step * rampWidth) / rampSteps,
          width: rampWidth / rampSteps + 0.5,
          height: 10,
          fill: scale.fill(scale.low * (scale.high / scale.low) ** (step / (rampSteps - 1))),
        }),
      ),
    );
  }
}
