import './style/tokens.css';
import './style/frame.css';
import './style/strip.css';
import './style/image.css';
import './style/canvas.css';
import './style/pruning-charts.css';
import './style/pruning.css';
import './style/high-resolution.css';
import './style/cross-attention.css';
import './style/axis.css';
import './style/light-theme.css';
import './style/evaluation.css';
import './style/compare.css';
import './style/traffic.css';
import './style/traffic-charts.css';
import './style/traffic-details.css';
import { registerControls } from './controls.ts';
import { element } from './element.ts';
import { EvaluationPanel } from './evaluation/evaluation-panel.ts';
import { connectHost } from './host.ts';
import type { ToPanel } from './messages.ts';
import { Panel } from './panel.ts';
import { FurtherSources } from './source/further-sources.ts';
import { PostedSource } from './source/posted-source.ts';
import { TrafficPanel } from './traffic/traffic-panel.ts';

registerControls();
const host = connectHost();
let panel: Panel | undefined;
/** Of a trace that is no run; then there is no `panel`. */
let otherPanel: EvaluationPanel | TrafficPanel | undefined;
let source: PostedSource | undefined;
let opening = 0;
/** The turn whose panel is on screen. */
let shown = 0;
/** What the host said last about the runs next to the panel's. */
let comparison: Extract<ToPanel, { type: 'comparison' }> | undefined;
const further = new FurtherSources(sent => {
  host.post(sent);
});

/** Replaces whatever is shown by another run. */
async function open(message: Extract<ToPanel, { type: 'run' }>): Promise<void> {
  const turn = ++opening;
  delete document.body.dataset['ready'];
  source?.close();
  comparison = undefined;
  source = new PostedSource(message.metadata, message.tensors, sent => {
    host.post(sent);
  });
  const opened = await Panel.open(source, host, message.canRun);
  if (turn !== opening) {
    opened.dispose();
    return;
  }
  otherPanel?.dispose();
  otherPanel = undefined;
  panel?.dispose();
  panel = opened;
  shown = turn;
  document.body.replaceChildren(opened.element);
  opened.start();
  showComparison();
}

function showComparison(): void {
  if (!panel || !comparison) return;
  panel.compare(further.take(comparison.runs), comparison.show);
  comparison = undefined;
}

function openOther(make: () => EvaluationPanel | TrafficPanel): void {
  opening++;
  delete document.body.dataset['ready'];
  try {
    const opened = make();
    otherPanel?.dispose();
    panel?.dispose();
    panel = undefined;
    otherPanel = opened;
    document.body.replaceChildren(opened.element);
    opened.start();
  } catch (error) {
    fail(error);
  }
}

/** One line with cause and next step, above what is shown, which stays in sight. */
function showProblem(message: string, hint: string): void {
  if (panel) {
    panel.showProblem(message, hint);
    return;
  }
  const text = [message, hint].filter(part => part !== '').join(' ');
  const line = element('p', { class: 'alone', role: 'alert', 'data-testid': 'run-line' }, text);
  document.body.querySelector(':scope > .alone')?.remove();
  document.body.prepend(line);
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  host.post({ type: 'error', message });
  if (panel) showProblem(message, '');
  else showProblem(`This trace cannot be shown: ${message}`, 'Run the analysis again, or look into the log.');
}

async function answerFigure(message: Extract<ToPanel, { type: 'drawFigure' }>): Promise<void> {
  const { request, figure, format, theme } = message;
  try {
    const data = await (otherPanel ?? panel)?.drawFigure(figure, format, theme);
    if (!data) throw new Error('No run is shown.');
    host.post({ type: 'figure', request, data });
  } catch (error) {
    host.post({ type: 'figureFailed', request, message: error instanceof Error ? error.message : String(error) });
  }
}

host.listen(message => {
  switch (message.type) {
    case 'run':
      open(message).catch(fail);
      break;
    case 'evaluation':
      openOther(() => new EvaluationPanel(message.evaluation, host, message.canRun));
      break;
    case 'traffic':
      openOther(() => new TrafficPanel(message, host));
      break;
    case 'slice':
    case 'sliceFailed':
      source?.receive(message);
      further.receive(message);
      break;
    case 'failed':
      showProblem(message.message, message.hint);
      break;
    case 'methods':
      panel?.showMethods(message.methods);
      break;
    case 'listFigures':
      host.post({ type: 'figures', request: message.request, figures: (otherPanel ?? panel)?.figures() ?? [] });
      break;
    case 'drawFigure':
      void answerFigure(message);
      break;
    case 'comparison':
      // While a run is being opened, it waits for its panel.
      comparison = { ...message, show: message.show || (comparison?.show ?? false) };
      if (shown === opening) showComparison();
      break;
    case 'show':
      panel?.show(message.layer, message.head);
      break;
  }
});
host.post({ type: 'ready' });
