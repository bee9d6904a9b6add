/** The script of an exported report: the panel, over the run that the page carries. The page is complete without it. */
import './style/tokens.css';
import './style/frame.css';
import './style/strip.css';
import './style/image.css';
import './style/canvas.css';
import './style/axis.css';
import './style/report-theme.css';
import './style/report.css';
import { embeddedRunId, type EmbeddedRun } from '../trace/embedding.ts';
import { registerControls } from './controls.ts';
import type { Host } from './host.ts';
import { Panel } from './panel.ts';
import { EmbeddedSource } from './source/embedded-source.ts';

/** A document has no editor around it: nothing can be run, and what is chosen is forgotten when it is closed. */
const noEditor: Host = {
  post: () => undefined,
  savedState: () => undefined,
  saveState: () => undefined,
  listen: () => () => undefined,
};

const textOf = (id: string): string => document.getElementById(id)?.textContent ?? '';

async function open(place: HTMLElement): Promise<void> {
  const run = JSON.parse(textOf(embeddedRunId)) as EmbeddedRun;
  if (run.tensors.length === 0) return;
  registerControls();
  const panel = await Panel.open(await EmbeddedSource.open(run, textOf), noEditor, false);
  const top = window.scrollY;
  place.hidden = false;
  place.append(panel.element);
  panel.start();
  // The strip brings its token into sight, which on opening a page is not what the reader asked for.
  window.scrollTo(0, top);
}

const place = document.getElementById('fovea-panel');
if (place)
  open(place).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    const line = document.createElement('p');
    line.className = 'report-problem';
    line.textContent = `The interactive part cannot be shown here: ${message}. The figures below are complete; a current Chrome, Edge, Firefox or Safari shows both.`;
    place.hidden = false;
    place.replaceChildren(line);
  });
