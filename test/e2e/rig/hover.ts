/** The pointer over words of the editor, and the cards that appear there. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { Workbench } from './workbench.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Hovers a word of the editor and waits for a card that shows `content`. */
export async function hoverWord(workbench: Workbench, word: string, content: string): Promise<Locator> {
  const card = workbench.page.locator('.monaco-hover:visible').filter({ hasText: content });
  await workbench.retry(`hover ${word}`, 30_000, async again => {
    if (again) await workbench.page.mouse.move(5, 5);
    await workbench.page.locator('.view-line', { hasText: word }).first().waitFor({ timeout: 3000 });
    const point = await middleOfWord(workbench, word);
    await workbench.page.mouse.move(point.x - 3, point.y);
    await workbench.page.mouse.move(point.x, point.y, { steps: 3 });
    await card.first().waitFor({ timeout: 4000 });
  });
  return card.first();
}

/** Where a text of the editor stands on the page. */
export async function middleOfWord({ page }: Workbench, word: string): Promise<Point> {
  const point = await page.evaluate(searched => {
    for (const line of document.querySelectorAll('.view-line')) {
      const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        // The editor draws spaces as no-break spaces.
        const at = (node.textContent ?? '').replaceAll('\u00a0', ' ').indexOf(searched);
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + searched.length);
        const box = range.getBoundingClientRect();
        return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      }
    }
    return undefined;
  }, word);
  assert.ok(point, `"${word}" is not in sight`);
  return point;
}
