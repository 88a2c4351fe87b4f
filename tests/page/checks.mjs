// Checks of the status page in Chromium, for tests/page/run: what it looks like, what it asks for, and that it can be used
// by keyboard, without scripts, and while the watcher comes and goes. Starts the watcher itself, so that it can stop it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { MODULES, WATCHER, CONFIG, PICTURES, CHROMIUM } = process.env;
const require = createRequire(`${MODULES}/`);
const { chromium } = require('playwright-core');
const axe = require('axe-core');

const ORIGIN = `http://${/^listen = "(.*)"/m.exec(fs.readFileSync(CONFIG, 'utf8'))[1]}`;
const LOG = path.join(path.dirname(CONFIG), 'watcher.log');
// Nothing that is waited for takes this long unless it is broken; a refresh comes every 10 s.
const PATIENCE = 30_000;
const REFRESHED_WITHIN = 15_000;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-proxy-server'];
// What a person types into.
const FIELD = 'input:not([type]), input[type=text], input[type=search]';
const SIZES = { 360: { width: 360, height: 740 }, 1280: { width: 1280, height: 800 } };

function check(what, holds, evidence = '') {
  if (!holds) throw new Error(`${what}\n${typeof evidence === 'string' ? evidence : JSON.stringify(evidence, null, 1)}`);
  console.log(`ok: ${what}`);
}

// ---- The watcher

let watcher;

function start() {
  const log = fs.openSync(LOG, 'a');
  watcher = spawn(WATCHER, ['run', '--config', CONFIG], { stdio: ['ignore', log, log] });
}

async function stop() {
  const ended = once(watcher, 'exit');
  watcher.kill('SIGTERM');
  await ended;
}

process.on('exit', () => watcher?.kill('SIGKILL'));

// Waits until /status satisfies a condition.
async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const status = await fetch(`${ORIGIN}/status`).then((answer) => answer.json()).catch(() => null);
    if (status && condition(status)) return;
    if (watcher.exitCode !== null || Date.now() > deadline) {
      const seen = { ...status, tickets: undefined };
      throw new Error(`waited in vain until ${what}: ${JSON.stringify(seen)}`);
    }
    await pause(100);
  }
}

// Every part of the page has something to show.
function isFull({ summary, tickets, apps, hooks }) {
  const files = Object.fromEntries(tickets.filter((row) => row.file).map((row) => [row.file.state, true]));
  const app = (name) => apps.find((one) => one.name === name);
  return ['pending', 'completed', 'failed', 'timed_out', 'removed'].every((state) => summary[state] > 0)
    && ['waiting', 'saved', 'failed', 'expired'].every((state) => files[state])
    && summary.completed >= 160 && app('closed').state === 'paused' && app('unreachable').state === 'degraded'
    && hooks[0].last_error && tickets.filter((row) => row.app === 'stranger').every((row) => row.polls > 0);
}

// ---- The browser

const troubles = [];

// A new context, without anything of the others; what its pages should not do is noted.
async function context(browser, options) {
  const fresh = await browser.newContext(options);
  fresh.on('request', (request) => {
    if (new URL(request.url()).origin !== ORIGIN) troubles.push(`asked for ${request.url()}`);
  });
  fresh.on('console', (line) => {
    // An address that is refused on purpose counts as an error there.
    if (line.text().includes('a status of 400')) return;
    if (['error', 'warning'].includes(line.type())) troubles.push(`console: ${line.text()}`);
  });
  fresh.on('weberror', ({ error }) => troubles.push(`uncaught: ${error()}`));
  fresh.on('dialog', (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return fresh;
}

async function open(browser, options, where = '/') {
  const page = await (await context(browser, options)).newPage();
  await page.goto(ORIGIN + where);
  return page;
}

const rowsOf = (page) => page.locator('a[href*="/ticket/"]').evaluateAll(
  (links) => [...new Set(links.map((link) => link.getAttribute('href')))]);
const textOf = (page) => page.evaluate(() => document.body.innerText);

async function checkUnharmed(page, what) {
  const seen = await page.evaluate(() => ({
    hacked: window.hacked, strangers: document.querySelectorAll('img, svg[onload], iframe, object').length }));
  check(`${what}: no title runs or adds anything`, seen.hacked === undefined && seen.strangers === 0, seen);
}

async function checkFits(page, what) {
  const wide = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const outside = [...document.querySelectorAll('body *')].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1);
    return { over: scrollWidth - clientWidth, outside: outside.slice(0, 5).map((one) => one.outerHTML.slice(0, 200)) };
  });
  check(`${what}: nothing to scroll sideways`, wide.over <= 0, wide);
}

async function checkAccessible(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { preload: false, resultTypes: ['violations'] }));
  const brief = (found) => found.map(({ id, help, nodes }) => (
    { id, help, count: nodes.length, nodes: nodes.slice(0, 3).map((node) => [node.html.slice(0, 300), node.failureSummary]) }));
  check(`${what}: axe finds nothing`, violations.length === 0, brief(violations));
}

// ---- What is checked

// Pages to look at, by name. No refresh changes them any more, nor does the watcher's absence.
async function views(browser, addresses) {
  const opened = {};
  for (const [name, where] of Object.entries(addresses)) {
    const page = await open(browser, {}, where);
    const body = await page.request.get(ORIGIN + where).then((answer) => answer.text());
    await page.route('**', (route) => route.fulfill({ body, contentType: 'text/html' }));
    await checkUnharmed(page, name);
    opened[name] = page;
  }
  return opened;
}

async function looks(opened) {
  for (const [name, page] of Object.entries(opened)) {
    for (const [width, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await checkFits(page, `${name}, ${width} px`);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: `${PICTURES}/${name}-${width}-${colorScheme}.png`, fullPage: true });
        await checkAccessible(page, `${name}, ${width} px, ${colorScheme}`);
      }
    }
    await page.context().close();
  }
}

async function pages(browser) {
  const page = await open(browser, { viewport: SIZES[1280] });
  const first = await rowsOf(page);
  await page.locator('a[rel~="next"]').first().click();
  await page.waitForLoadState();
  const second = await rowsOf(page);
  const known = new Set(first);
  check('the next page has other tickets', second.some((row) => !known.has(row)), { first: first.length, second });
  await page.goBack();
  check('and back leads to the first', (await rowsOf(page)).length > 0);
  await page.context().close();
}

// Tab, type, Enter: what comes has an address that shows the same to anyone.
async function filterByKeyboard(browser, options, what) {
  const page = await open(browser, options);
  for (let tabs = 0; ; tabs++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate((field) => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      return { field: element.matches(field), tag: element.outerHTML.slice(0, 200),
        seen: element.matches(':focus-visible') && (parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== 'none') };
    }, FIELD);
    if (!at.seen) throw new Error(`${what}: focus can't be seen at ${at.tag}`);
    if (at.field) break;
    if (tabs > 100) throw new Error(`${what}: no field of the filter within 100 tabs`);
  }
  await page.keyboard.type('weekly');
  await Promise.all([page.waitForURL(/weekly/), page.keyboard.press('Enter')]);
  const [rows, address] = [await rowsOf(page), page.url()];
  const again = await open(browser, options, address.slice(ORIGIN.length));
  check(`${what}: a filter by keyboard alone finds its tickets`, rows.length > 0 && rows.length < 30, rows);
  check(`${what}: its address shows the same when opened anew`, `${await rowsOf(again)}` === `${rows}`, { address });
  check(`${what}: and the filter says what it filters by`,
    await again.locator('input').evaluateAll((fields) => fields.some((field) => field.value === 'weekly')));
  await page.context().close();
  await again.context().close();
}

// Prepares a place on the page, and returns a function that says what became of it.
async function settle(page, focus) {
  await page.evaluate(() => { window.sameDocument = true; });
  await page.locator('details').evaluateAll((all) => all.forEach((one) => { one.open = true; }));
  await page.locator('form select').first().selectOption({ index: 1 });
  const field = page.locator(FIELD).first();
  await field.fill('half a wo');
  await (focus === 'field' ? field : page.locator('table a[href*="/ticket/"]').nth(60)).focus();
  await page.evaluate(() => window.scrollBy(0, 150));
  return () => page.evaluate((field) => {
    const at = document.activeElement;
    return {
      onScreen: Math.round(at.getBoundingClientRect().top),
      focus: at.name || at.getAttribute('href') || at.tagName,
      selection: [at.selectionStart, at.selectionEnd],
      typed: [...document.querySelectorAll(`form select, ${field}`)].map((one) => one.value),
      open: [...document.querySelectorAll('details')].map((one) => one.open),
      sameDocument: window.sameDocument,
    };
  }, FIELD);
}

// Waits for the page's own timer: for the request, and for what it brought.
async function refreshed(page) {
  const before = await textOf(page);
  await page.waitForResponse((answer) => new URL(answer.url()).pathname === '/', { timeout: REFRESHED_WITHIN });
  await page.waitForFunction((text) => document.body.innerText !== text, before, { timeout: PATIENCE });
}

// What is above may have changed; what counts is where things are on the screen, give or take a rounding.
function checkSamePlace(what, { onScreen: from, ...before }, { onScreen: to, ...after }) {
  check(what, Math.abs(from - to) <= 2 && JSON.stringify(before) === JSON.stringify(after), { from, to, before, after });
}

// More needs attention with the next refresh, which makes the page longer above the place.
async function refreshInPlace(page, focus) {
  const place = await settle(page, focus);
  const before = await place();
  await page.route('**', async (route) => {
    const response = await route.fetch();
    const more = '<ul class="items"><li id="more"><p>More</p><p>needs</p><p>attention</p></li>';
    await route.fulfill({ response, body: (await response.text()).replace('<ul class="items">', more) });
  });
  await page.waitForResponse((answer) => new URL(answer.url()).pathname === '/', { timeout: REFRESHED_WITHIN });
  await page.locator('#more').waitFor();
  checkSamePlace(`a refresh keeps scroll, focus, fields and open details (focus in a ${focus})`, before, await place());
  await page.unroute('**');
}

async function refreshWithoutScripts(page) {
  check('without scripts it refreshes by itself', await page.waitForResponse(
    (answer) => new URL(answer.url()).pathname === '/', { timeout: REFRESHED_WITHIN }));
  await page.waitForLoadState();
}

// The page outlives the watcher: it stays as it was while there is no answer, and goes on with the next one.
async function comeAndGo(page) {
  const failed = page.waitForEvent('requestfailed', { timeout: REFRESHED_WITHIN });
  const place = await settle(page, 'link');
  const before = await place();
  await stop();
  await failed;
  // The browser itself complains about the connection.
  const isRefused = (trouble) => /console: Failed to load resource.*ERR_CONNECTION/.test(trouble);
  await page.getByText('has not answered since').waitFor();
  checkSamePlace('while the watcher is stopped, the page stays, and says so', before, await place());
  const again = refreshed(page);
  start();
  await again;
  checkSamePlace('once it runs again, the page goes on by itself, in place', before, await place());
  troubles.splice(0, troubles.length, ...troubles.filter((trouble) => !isRefused(trouble)));
}

async function refreshes(inField, onLink, scriptless) {
  await Promise.all([refreshInPlace(inField, 'field'), refreshInPlace(onLink, 'link'), refreshWithoutScripts(scriptless)]);
  await scriptless.context().close();
  await inField.context().close();
  await comeAndGo(onLink);
}

async function main() {
  start();
  await until('every part of the page has something to show', isFull);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const desk = { viewport: SIZES[1280] };
  const scriptless = await open(browser, { ...desk, javaScriptEnabled: false });
  const [inField, onLink] = [await open(browser, desk), await open(browser, desk)];
  const rows = await rowsOf(inField);
  check('without scripts the page shows the same', `${await rowsOf(scriptless)}` === `${rows}`);
  check('the tickets with hostile titles are on it',
    ['title-image', 'onload'].every((name) => rows.some((row) => row.includes(name))), rows);
  const opened = await views(browser, { page: '/', filtered: '/?state=failed', refused: '/?state=odd',
    ticket: rows.find((row) => row.includes('title-image')), hostile: rows.find((row) => row.includes('onload')) });
  check('the details of a ticket have its history', await opened.ticket.getByText('ticket.completed').count() > 0);

  await pages(browser);
  await filterByKeyboard(browser, desk, 'with scripts');
  await filterByKeyboard(browser, { ...desk, javaScriptEnabled: false }, 'without scripts');

  // Most of the one is waiting, most of the other is work.
  await Promise.all([refreshes(inField, onLink, scriptless), looks(opened)]);
  check('nothing is loaded from elsewhere, and there is no dialog, no error, nothing that the policy forbids',
    troubles.length === 0, troubles);
  await browser.close();
  await stop();
}

main().then(() => process.exit(0), (error) => {
  console.error(`not ok: ${error.stack}`);
  console.error(troubles.join('\n'));
  process.exit(1);
});
