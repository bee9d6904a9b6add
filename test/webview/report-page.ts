/** A report that is opened from disk, as a reader does, with everything watched that it must not do. */
import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { after, before } from 'node:test';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { output } from './panel-fixture.ts';

export interface ReportPage {
  readonly page: Page;
  /** Console errors, violations of the policy, and requests to anything but the file. */
  readonly faults: string[];
}

/** Starts a browser for the tests of a file and stops it after them. */
export class ReportBrowser {
  private browser!: Browser;

  static prepare(): ReportBrowser {
    const started = new ReportBrowser();
    before(async () => {
      await mkdir(output, { recursive: true });
      started.browser = await chromium.launch({
        executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      });
    });
    after(() => started.browser.close());
    return started;
  }

  async openFromDisk(file: string, options: BrowserContextOptions = {}): Promise<ReportPage> {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    const faults: string[] = [];
    const address = pathToFileURL(file).href;
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', error => faults.push(`page: ${error.message}`));
    page.on('request', request => {
      if (request.url() !== address && !/^(data|blob):/.test(request.url())) faults.push(`request: ${request.url()}`);
    });
    await page.goto(address);
    if (options.javaScriptEnabled !== false) await page.waitForSelector('body[data-ready="1"]', { timeout: 20_000 });
    return { page, faults };
  }
}
