/** Drives Fovea in the workbench: asks questions, reads the panel. */
import type { Frame, Locator } from 'playwright-core';
import type { Workbench } from './workbench.ts';

/** What the overlay canvas shows. */
export interface Overlay {
  /** Hash of all pixels. */
  readonly digest: string;
  /** Pixels that are not fully transparent. */
  readonly painted: number;
  /** The canvas's text alternative. */
  readonly label: string;
}

/** Starts an analysis from the command palette, up to the question being sent. */
export async function ask(workbench: Workbench, image: string, question: string): Promise<void> {
  const title = workbench.page.locator('.quick-input-title', { hasText: `Ask about ${image}` });
  // A list closes when the focus goes elsewhere, e.g. to a panel that was opening: a user would ask again, too.
  await workbench.retry(`choose ${image}`, 60_000, async () => {
    await workbench.command('Fovea: Analyze Image…');
    await workbench.pick(image, { timeout: 5000 });
    await title.waitFor({ timeout: 5000 });
  });
  await workbench.answerQuickInput(question);
}

/** The progress notification of a run. */
export function progress(workbench: Workbench, image: string): Locator {
  return workbench.notification(`Fovea: ${image}`);
}

/** Waits until no run is in progress, a cancelled one included: its notification goes away before that. */
export async function idle(workbench: Workbench): Promise<void> {
  await workbench.statusBar().filter({ hasText: 'Fovea: idle' }).waitFor();
}

/** The panel in front. */
export class Panel {
  private constructor(
    private readonly workbench: Workbench,
    readonly frame: Frame,
  ) {}

  /** Waits for a panel that shows a run. */
  static async visible(workbench: Workbench, timeout = 60_000): Promise<Panel> {
    return new Panel(workbench, await workbench.webview('[data-testid=answer] [data-testid=token]', { timeout }));
  }

  /** Waits for a panel in which something else is shown. */
  static async of(workbench: Workbench, selector: string, timeout = 60_000): Promise<Panel> {
    return new Panel(workbench, await workbench.webview(selector, { timeout }));
  }

  /** Waits for a panel that shows a run, other than `before`. */
  async next(timeout = 60_000): Promise<Panel> {
    const end = Date.now() + timeout;
    for (;;) {
      const panel = await Panel.visible(this.workbench, timeout);
      if (panel.frame !== this.frame) return panel;
      if (Date.now() > end) throw new Error(`No other panel appeared within ${timeout} ms.`);
      await this.workbench.page.waitForTimeout(100);
    }
  }

  get(testId: string): Locator {
    return this.frame.locator(`[data-testid="${testId}"]`);
  }

  /** The answer without its spaces, which are drawn as gaps between tokens. */
  async answer(): Promise<string> {
    const texts = await this.answerTokens().evaluateAll(tokens => tokens.map(token => token.textContent));
    return texts.join('').replace('␣', '').replace('</s>', '');
  }

  answerTokens(): Locator {
    return this.get('answer').locator('[data-testid=token]');
  }

  /** The token of the answer that reads `text`. */
  answerToken(text: string): Locator {
    return this.answerTokens()
      .filter({ has: this.frame.getByText(text, { exact: true }) })
      .first();
  }

  /** Background colours of the answer's tokens. */
  answerColours(): Promise<string[]> {
    return this.answerTokens().evaluateAll(tokens => tokens.map(token => getComputedStyle(token).backgroundColor));
  }

  fact(name: string): Promise<string> {
    return this.frame.locator(`[data-fact="${name}"]`).innerText();
  }

  /** Title and details of what is hovered or locked. */
  readout(): Promise<string> {
    return this.get('readout').innerText();
  }

  /** Moves the mouse onto a word of the answer and waits for its attention to be shown. */
  async lookAt(word: string): Promise<Overlay> {
    await this.answerToken(word).hover();
    await this.frame.locator(`[data-testid=overlay-canvas][aria-label*="“${word}”"]`).waitFor();
    return this.overlay();
  }

  overlay(): Promise<Overlay> {
    return this.get('overlay-canvas').evaluate(async node => {
      const canvas = node as HTMLCanvasElement;
      const pixels =
        canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', pixels));
      let painted = 0;
      for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 0) painted++;
      const digest = Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('');
      return { digest, painted, label: canvas.getAttribute('aria-label') ?? '' };
    });
  }

  /** Opacity, 0 to 255, in the middle of each patch, row by row. */
  patchOpacities(rows: number, columns: number): Promise<number[]> {
    return this.get('overlay-canvas').evaluate(
      (node, [rowCount, columnCount]) => {
        const canvas = node as HTMLCanvasElement;
        const context = canvas.getContext('2d');
        const [width, height] = [canvas.width / columnCount, canvas.height / rowCount];
        return Array.from({ length: rowCount * columnCount }, (_, patch) => {
          const x = Math.floor(((patch % columnCount) + 0.5) * width);
          const y = Math.floor((Math.floor(patch / columnCount) + 0.5) * height);
          return context?.getImageData(x, y, 1, 1).data[3] ?? 0;
        });
      },
      [rows, columns] as const,
    );
  }

  /** Waits until the overlay differs from what it was. */
  async overlayOtherThan(before: Overlay): Promise<Overlay> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const now = await this.overlay();
      if (now.digest !== before.digest) return now;
      await this.workbench.page.waitForTimeout(50);
    }
    throw new Error(`The overlay stayed what it was: ${before.label}`);
  }

  /** Moves the mouse to a share of the image, 0 to 1 from the top left. */
  async hoverImage(x: number, y: number): Promise<void> {
    const box = await this.get('patch-grid').boundingBox();
    if (!box) throw new Error('The image is not shown.');
    await this.workbench.page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 2 });
  }
}
