import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScope } from '../live/processes.js';
import { type App, expectAccessible, picturesOfFailures, see, startApp } from './app.js';

/** From `npm start` on a fresh machine to the first row, as a person goes. Steps of one way: each needs those before. */
const scope = createScope();
let app: App;
let page: Page;

beforeAll(async () => {
  app = await startApp(scope);
  page = await app.page();
});
afterAll(() => scope.close());
picturesOfFailures(() => page);

describe('the first minutes', () => {
  it('start at the demo gateway, and say that it is one', async () => {
    await page.getByRole('button', { name: 'Sign in with the browser' }).waitFor();
    await see(page, 'This is the demo');
    await see(page, /contractor, engineer, approver, admin, auditor/);
    await expectAccessible(page, 'first screen');
  });

  it('lead to another gateway, and a wrong address says what to do', async () => {
    await page.getByRole('button', { name: 'Another gateway' }).click();
    const address = page.getByLabel('Gateway');
    await address.fill('https://127.0.0.1:9');
    await page.getByRole('button', { name: 'Continue' }).click();
    await see(page.getByRole('alert'), /reach/);
    await expectAccessible(page, 'choosing a gateway');
    await address.fill('javascript:alert(1)');
    await page.getByRole('button', { name: 'Continue' }).click();
    await see(page.getByRole('alert'), /https/);
    await page.getByRole('button', { name: 'Back' }).click();
  });

  it('a sign-in that was begun can be given up', async () => {
    await page.getByRole('button', { name: 'Sign in with the browser' }).click();
    await see(page, 'Sign in on the page that has opened in your browser.');
    await expectAccessible(page, 'waiting for the browser');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Sign in with the browser' }).waitFor();
  });

  it('the first sign-in says what is recorded about the person, and for how long', async () => {
    await page.getByRole('button', { name: 'Sign in with the browser' }).click();
    const url = await page.locator('code').first().textContent();
    const browser = await app.elsewhere();
    await browser.goto(url ?? '');
    await browser.getByLabel('Account').fill('contractor');
    await browser.getByLabel('Password').fill('demo');
    await browser.getByRole('button', { name: 'Sign in' }).click();
    await see(browser, 'You are signed in as demo/contractor');
    await see(page, 'What is recorded about you');
    await see(page, /Recordings are kept/);
    await expectAccessible(page, 'what is recorded');
    await page.getByRole('button', { name: 'I have read this' }).click();
    await page.getByRole('navigation', { name: 'Sections' }).waitFor();
  });

  it('what a person may not do is absent', async () => {
    const sections = page.getByRole('navigation', { name: 'Sections' }).getByRole('button');
    expect(await sections.allTextContents()).not.toContain('Admin');
  });

  it('end at the first rows, one click after the list, with masks told', async () => {
    const connection = page.getByRole('option', { name: /shop-db/ });
    await connection.waitFor();
    await expectAccessible(page, 'connections');
    await connection.dblclick();
    await page.locator('.monaco-editor').first().click();
    await page.keyboard.insertText('select id, email, phone from customers order by id limit 20');
    await page.keyboard.press('Control+Enter');
    await see(page, /20 rows/);
    await see(page, /masked/);
  });

  it('nothing on the way was an error of the page', () => {
    expect(app.complaints).toEqual([]);
  });
});

it('a person signs in again without being told twice', async () => {
  const again = await app.page();
  await again.getByRole('navigation', { name: 'Sections' }).waitFor();
  await again.close();
});
