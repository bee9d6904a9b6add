/** Drives VS Code's workbench in a page the way a user does: keyboard, mouse, command palette. */
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, Frame, Locator, Page } from 'playwright-core';
import { edition, projectFolder, type Editor } from './editor.ts';

const screenshotFolder = path.join(projectFolder, 'test/output', edition === 'oldest' ? 'e2e-oldest' : 'e2e');

const quickInput = '.quick-input-widget:visible';
const quickInputBox = `${quickInput} .quick-input-filter input`;
const quickInputRow = `${quickInput} .quick-input-list .monaco-list-row`;

function leavesMachine(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return /^(https?|wss?):$/.test(protocol) && hostname !== '127.0.0.1' && hostname !== 'localhost';
}

export class Workbench {
  /** Requests to anything but this machine. */
  readonly outsideRequests: string[] = [];
  /** What pages and webviews wrote to the console: `[error] text`. */
  readonly consoleLines: string[] = [];

  private constructor(readonly page: Page) {}

  static async open(browser: Browser, editor: Editor): Promise<Workbench> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const workbench = new Workbench(page);
    page.on('console', message => workbench.consoleLines.push(`[${message.type()}] ${message.text()}`));
    page.on('pageerror', error => workbench.consoleLines.push(`[pageerror] ${error.message}`));
    // A webview's resources have an internet address that its service worker answers: those stay on the machine.
    page.on('response', response => {
      if (leavesMachine(response.url()) && !response.fromServiceWorker())
        workbench.outsideRequests.push(response.url());
    });
    page.on('requestfailed', request => {
      if (leavesMachine(request.url())) workbench.outsideRequests.push(request.url());
    });
    await page.goto(editor.url, { waitUntil: 'domcontentloaded' });
    await workbench.ready();
    return workbench;
  }

  async ready(): Promise<void> {
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor();
    await this.page.locator('.monaco-workbench .part.editor').waitFor();
  }

  /** As a user does it; unlike a plain reload of the page, VS Code then saves first what is open. */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent('domcontentloaded');
    await this.command('Developer: Reload Window');
    await loaded;
    await this.ready();
  }

  /**
   * Runs a command from the palette. It appears there only once VS Code has read the extension's manifest, so this
   * asks again until it does.
   */
  async command(title: string, { timeout = 30_000 } = {}): Promise<void> {
    const row = this.page.locator(quickInputRow).filter({ has: this.page.locator('.label-name', { hasText: title }) });
    await this.retry(`find the command ${title}`, timeout, async again => {
      if (again) await this.page.keyboard.press('Escape');
      await this.page.locator('.monaco-workbench').press('F1');
      await this.page.locator(quickInputBox).waitFor({ timeout: 3000 });
      await this.page.locator(quickInputBox).fill(`>${title}`);
      await row.first().click({ timeout: 3000 });
    });
  }

  /** Whether the palette offers a command, once it offers others that match. */
  async offersCommand(title: string): Promise<boolean> {
    await this.page.locator('.monaco-workbench').press('F1');
    await this.page.locator(quickInputBox).fill(`>${title}`);
    await this.page.locator(quickInputRow).first().waitFor();
    const offered = await this.page.locator(`${quickInputRow} .label-name`, { hasText: title }).count();
    await this.page.keyboard.press('Escape');
    return offered > 0;
  }

  /** Opens a file of the workspace by its name and waits for its tab. */
  async openFile(name: string): Promise<void> {
    const row = this.page.locator(quickInputRow).filter({ hasText: path.basename(name) });
    await this.retry(`open ${name}`, 40_000, async again => {
      if (again) await this.page.keyboard.press('Escape');
      await this.page.locator('.monaco-workbench').press('Control+p');
      await this.page.locator(quickInputBox).fill(name, { timeout: 3000 });
      await row.first().click({ timeout: 3000 });
      await this.tab(path.basename(name)).waitFor({ timeout: 4000 });
    });
  }

  tab(name: string): Locator {
    return this.page.locator('.tabs-container .tab', { hasText: name }).first();
  }

  /** The input box or list that a command shows: waits for it, types, and accepts. */
  async answerQuickInput(text: string): Promise<void> {
    const box = this.page.locator(`${quickInput} input[type="text"], ${quickInputBox}`).first();
    await box.waitFor();
    // The editor may set the box's first value only after it is shown, over what was typed.
    for (let attempt = 0; attempt < 10; attempt++) {
      await box.fill(text);
      await this.page.waitForTimeout(100);
      if ((await box.inputValue()) === text) break;
    }
    await box.press('Enter');
  }

  /** Picks the row of a quick pick that contains `text`. */
  async pick(text: string | RegExp, options?: { timeout: number }): Promise<void> {
    await this.page.locator(quickInputRow).filter({ hasText: text }).first().click(options);
  }

  /** Switches to a colour theme by the name that the list shows, e.g. "Dark High Contrast". */
  async useTheme(name: string): Promise<void> {
    await this.command('Preferences: Color Theme');
    const row = this.page.locator(quickInputRow).filter({ has: this.page.getByText(name, { exact: true }) });
    await this.page.locator(quickInputBox).fill(name);
    await row.first().click();
    await this.quickInput().waitFor({ state: 'hidden' });
  }

  quickInputRows(): Locator {
    return this.page.locator(quickInputRow);
  }

  quickInput(): Locator {
    return this.page.locator(quickInput);
  }

  notification(text: string | RegExp): Locator {
    return this.page
      .locator('.notification-toast, .notifications-center .notification-list-item')
      .filter({ hasText: text })
      .first();
  }

  /** An error or question that VS Code shows as a modal dialog. */
  dialog(): Locator {
    return this.page.locator('.monaco-dialog-box');
  }

  statusBar(): Locator {
    return this.page.locator('.part.statusbar');
  }

  /** The rows of the context menu of an Explorer entry. */
  explorerMenu(name: string): Promise<string[]> {
    return this.menuOf(this.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first());
  }

  /** The rows of the context menu of an entry of a list. */
  async menuOf(entry: Locator): Promise<string[]> {
    await entry.click({ button: 'right' });
    const menu = this.page.locator('.context-view .monaco-menu');
    await menu.waitFor();
    const rows = await menu.locator('.action-label').allInnerTexts();
    await this.page.keyboard.press('Escape');
    return rows.map(row => row.trim()).filter(row => row !== '');
  }

  /**
   * The document of the webview that shows `selector`. A webview's HTML is visible before its script has run, and a
   * click in between is lost: `body[data-ready]` is set by the script's last line.
   */
  async webview(selector: string, { timeout = 30_000, ready = 'body[data-ready]' } = {}): Promise<Frame> {
    return this.retry(`find a webview with ${selector}`, timeout, async () => {
      for (const frame of this.page.frames()) {
        // A webview's own document lives in an inner frame: VS Code names it, and later renames it.
        if (!/\/fake\.html/.test(frame.url())) continue;
        const shown = await frame.locator(selector).first().isVisible();
        if (shown && (await frame.locator(ready).count()) > 0) return frame;
      }
      throw new Error(
        `frames: ${this.page
          .frames()
          .map(frame => frame.name())
          .join(', ')}`,
      );
    });
  }

  async screenshot(name: string): Promise<string> {
    fs.mkdirSync(screenshotFolder, { recursive: true });
    const file = path.join(screenshotFolder, `${name}.png`);
    await this.page.screenshot({ path: file });
    return file;
  }

  /**
   * Repeats `attempt` until it succeeds. It is told whether it failed before: what that left open, Escape closes; in a
   * panel Escape would unlock.
   */
  async retry<T>(purpose: string, timeout: number, attempt: (again: boolean) => Promise<T>): Promise<T> {
    const end = Date.now() + timeout;
    for (let again = false; ; again = true) {
      try {
        return await attempt(again);
      } catch (error) {
        if (Date.now() > end) throw new Error(`Could not ${purpose} within ${timeout} ms.`, { cause: error });
        await this.page.waitForTimeout(100);
      }
    }
  }
}
