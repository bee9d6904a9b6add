/** Asks a panel for its figures as the host does. */
import assert from 'node:assert/strict';
import type { FigureFormat, FigureName, FigureTheme, ToHost } from '../../webview/messages.ts';
import type { OpenPanel } from './panel-rig.ts';

let requests = 0;
async function answer(panel: OpenPanel, request: number): Promise<ToHost> {
  for (;;) {
    const found = panel.sent.find(
      message => 'request' in message && message.request === request && message.type !== 'slice',
    );
    if (found) return found;
    await panel.page.waitForTimeout(10);
  }
}

export async function figures(panel: OpenPanel): Promise<readonly FigureName[]> {
  const request = 1e6 + ++requests;
  await panel.send({ type: 'listFigures', request });
  const message = await answer(panel, request);
  assert.ok(message.type === 'figures');
  return message.figures;
}

/** The bytes of the file. */
export async function draw(
  panel: OpenPanel,
  figure: number,
  format: FigureFormat,
  theme: FigureTheme = 'light',
): Promise<Buffer> {
  const request = 1e6 + ++requests;
  await panel.send({ type: 'drawFigure', request, figure, format, theme });
  const message = await answer(panel, request);
  assert.ok(message.type === 'figure', JSON.stringify(message));
  return Buffer.from(Object.values(message.data));
}
