// The operators' console in Chromium, as an operator uses it. Started by `console_browser.rs`, which has given the server a past and says in
// the environment where it is. Each test is one of his errands; the last one looks over his shoulder at everything that the browser
// complained of meanwhile. `CASTLINE_SHOTS=<folder>` keeps pictures of each page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

const { CASTLINE_CONSOLE: base, CASTLINE_KEY: key, CASTLINE_LOCKED: locked, CASTLINE_PLAYERS: players, CASTLINE_SHOTS: shots } = process.env;
/** The page at the door. */
const FIRST = 'Live pool';
const EVIL = '<img src=x onerror="window.hacked=1">';
const PAGES = {
  pool: '#/pool', flags: '#/flags', flag: '#/flags/lucky_hour', 'new-flag': '#/flags?new', campaigns: '#/campaigns', campaign: '#/campaigns/starter', 'new-campaign': '#/campaigns?new',
  experiments: '#/experiments', experiment: '#/experiments/cheaper', declare: '#/experiments?new', player: '#/player/ann', players: '#/player', stranger: '#/player/nobody-yet',
};

let browser;
/** What no page may cause: broken rules of the content security policy, errors nobody caught, complaints on the console. */
const complaints = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

async function open({ at = base, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options });
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack}`));
  page.on('console', (message) => {
    // The browser notes each request that was refused; the tests that are refused something say what.
    const refusal = /Failed to load resource: the server responded with a status of (400|401|429)/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !refusal) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (request.url().includes(key)) complaints.push(`the admin key is in an address: ${new URL(request.url()).pathname}`);
    if (!request.url().startsWith(at) && !request.url().startsWith('data:')) complaints.push(`a request to ${request.url()}`);
  });
  await page.goto(`${at}/`);
  return page;
}

async function enter(page, name = 'maria') {
  await page.getByLabel('Admin key').fill(key);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

async function visit(page, hash) {
  await page.goto(`${base}/${hash}`);
  await settled(page);
}

const shoot = (page, name) => shots && page.screenshot({ path: `${shots}/at-${name}.png` });

/** Everything that the page asked for has come. */
async function settled(page) {
  await page.waitForFunction(() => document.querySelector('main').dataset.at === location.hash && !document.querySelector('[aria-busy="true"], .loading'));
}

async function api(method, path, body) {
  const response = await fetch(`${base}/admin/${path}`, {
    method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  assert.equal(response.status, 200, `${method} ${path}: ${await response.clone().text()}`);
  return response.json();
}

const variantOf = async (flag, player) => (await (await fetch(`${players}/flags?player_id=${player}&build=2.0.0`)).json()).flags[flag]?.variant;
/** What the console says in passing; taken away, so that the next one is not taken for it. */
async function said(page, text) {
  const line = page.getByRole('status').getByText(text);
  await line.waitFor();
  await line.evaluate((element) => element.remove());
}
const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();

test('the door explains a wrong key, a locked address, and keeps the key in this tab alone', async () => {
  const page = await open();
  await page.getByLabel('Admin key').fill('not-the-key-not-the-key-not-the-key');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('This is not the admin key.').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 1, 'Escape opens no door');
  await enter(page);
  await heading(page, FIRST);
  const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie, location.href]);
  assert.ok(kept.every((place) => !place.includes(key)), 'the key is in this tab alone');
  await page.reload();
  await heading(page, FIRST);
  await page.getByRole('button', { name: 'Lock' }).click();
  await page.getByLabel('Admin key').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('castline-admin-key')), null);
  await page.context().close();

  const outside = await open({ at: locked });
  for (let n = 0; n < 11; n += 1) {
    await outside.getByLabel('Admin key').fill(`wrong-wrong-wrong-wrong-wrong-wrong-${n}`);
    const answered = outside.waitForResponse((response) => response.url().endsWith('/admin/flags'));
    await outside.getByRole('button', { name: 'Open' }).click();
    await answered;
  }
  await outside.getByText('This address is locked').waitFor();
  await outside.context().close();
});

test('the pool is seen as it is and as it was, with the line that the reconnect rate must not pass', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/pool');
  await page.getByText('1 player, ').waitFor();
  await page.getByRole('region', { name: 'Workers' }).getByText(/^1 of /).waitFor();
  const image = (name) => page.getByRole('img', { name });
  assert.match(await image(/^Reconnect rate/).getAttribute('aria-label'), /9 % at most; the alert line is at 5 % and was passed/);
  assert.match(await image(/^Connections per worker/).getAttribute('aria-label'), /1,4\d\d at most/);
  assert.match(await image(/^Push latency/).getAttribute('aria-label'), /p50/);
  assert.match(await image(/^Closes by code/).getAttribute('aria-label'), /4009 idle: \d+/);
  const read = page.waitForResponse((response) => response.url().includes('pool/history?from='));
  await page.getByRole('button', { name: 'Day', exact: true }).click();
  await read;
  await settled(page);
  await page.getByText('The numbers as a table').first().click();
  await page.getByRole('region', { name: 'Connections per worker' }).getByRole('row').nth(2).waitFor();
  const asked = page.waitForRequest((request) => request.url().endsWith('/admin/pool'));
  await asked;
  await page.context().close();
});

test('a flag is made, refused at its field, rolled out, changed and rolled back', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/flags');
  await page.getByRole('link', { name: 'New flag' }).click();
  await heading(page, 'New flag');
  await page.getByLabel('Name', { exact: true }).fill('boat');
  const values = page.getByLabel('Value, as JSON');
  await values.nth(0).fill('slow');
  await page.getByRole('button', { name: 'Create flag' }).click();
  await page.getByText('The value of "control" is not JSON. A text needs quotes: "slow"').waitFor();
  await values.nth(0).fill('"slow"');
  await values.nth(1).fill('"fast"');
  // The slider has steps of 0.01 %.
  await page.getByRole('slider', { name: 'Rollout' }).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.getByLabel('Rollout, per cent').inputValue(), '0.01');
  await page.getByLabel('Rollout, per cent').fill('100');
  const rules = page.getByLabel('Rules, as JSON');
  await rules.fill('[{"when": {"attr.level": {"<<": 3}}, "variant": "treatment"}]');
  await page.getByRole('button', { name: 'Create flag' }).click();
  const wrong = page.locator('.field.wrong');
  await wrong.getByText('rules[0]').waitFor();
  await shoot(page, 'refused');
  assert.equal(await rules.getAttribute('aria-invalid'), 'true');
  assert.ok(await rules.evaluate((area) => area === document.activeElement), 'the field that is wrong has the focus');
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'boat', 'nothing that was typed is lost');
  await rules.fill('');
  await page.getByRole('button', { name: 'Create flag' }).click();
  await said(page, 'boat is saved');
  await heading(page, 'boat');
  assert.equal(await variantOf('boat', 'p1'), 'treatment');

  await page.getByLabel('Enabled').uncheck();
  await page.getByText('Unsaved edits').waitFor();
  await page.getByRole('link', { name: 'Campaigns' }).click();
  await page.getByRole('dialog', { name: 'Leave without saving?' }).getByRole('button', { name: 'Cancel' }).click();
  await heading(page, 'boat');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await said(page, 'boat is saved');
  await settled(page);
  assert.equal(await variantOf('boat', 'p1'), 'control', 'off: everybody gets the default');
  const history = page.getByRole('region', { name: 'History' });
  await history.getByText('by maria').first().waitFor();
  await history.getByText('What changed').first().click();
  await history.getByRole('rowheader', { name: 'enabled' }).waitFor();
  await history.scrollIntoViewIfNeeded();
  await shoot(page, 'history');
  await history.getByRole('button', { name: /^Roll back to/ }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
  await said(page, 'is what it was in');
  assert.equal(await variantOf('boat', 'p1'), 'treatment', 'as before');
  await page.context().close();
});

test('a flag that somebody else changed meanwhile is not overwritten unasked', async () => {
  await api('PUT', 'flags/shared', { variants: { a: 1, b: 2 }, defaultVariant: 'a' });
  const page = await open();
  await enter(page);
  await visit(page, '#/flags/shared');
  await api('PUT', 'flags/shared', { variants: { a: 1, b: 2 }, defaultVariant: 'a', rolloutBp: 700 });
  await page.getByLabel('Rollout, per cent').fill('3');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const ask = page.getByRole('dialog', { name: 'Changed meanwhile' });
  await ask.getByText('7 %').waitFor();
  await shoot(page, 'changed-meanwhile');
  await ask.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await api('GET', 'flags/shared')).rolloutBp, 700);
  assert.equal(await page.getByLabel('Rollout, per cent').inputValue(), '3', 'his edit is still there');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await ask.getByRole('button', { name: 'Save nevertheless' }).click();
  await said(page, 'shared is saved');
  assert.equal((await api('GET', 'flags/shared')).rolloutBp, 300);
  await page.context().close();
});

test('a campaign is made, tried out for a player, and says which rule said no', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/campaigns');
  await page.getByRole('link', { name: 'New campaign' }).click();
  await page.getByLabel('Id', { exact: true }).fill('pearls');
  await page.getByLabel('Title').fill('Pearls');
  await page.getByLabel('Discount, per cent').fill('150');
  await page.getByLabel('In all of these segments').fill('whales');
  await page.getByRole('button', { name: 'Create campaign' }).click();
  await page.locator('.field.wrong').getByText('it is per cent, 0 to 100').waitFor();
  await page.getByLabel('Discount, per cent').fill('15');
  await page.getByRole('button', { name: 'Create campaign' }).click();
  await said(page, 'pearls is saved');
  await heading(page, 'Pearls');
  const dry = page.getByRole('region', { name: 'Would a player get it?' });
  await dry.getByLabel('Player').fill('ann');
  await dry.getByRole('button', { name: 'Try it' }).click();
  await dry.getByText('Yes.').waitFor();
  await dry.getByLabel('Player').fill('bob');
  await dry.getByRole('button', { name: 'Try it' }).click();
  await dry.getByText('No:').waitFor();
  await shoot(page, 'dry-run');
  assert.match(await dry.locator('.because').innerText(), /Segments/);
  await visit(page, '#/campaigns/starter');
  const numbers = page.getByRole('region', { name: 'How it goes' });
  assert.deepEqual(await numbers.locator('.funnel-number').allInnerTexts(), ['52', '46 88.5 %', '18 34.6 %']);
  await page.context().close();
});

test('an experiment is declared, its course is seen, it is promoted, and the promotion is rolled back', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/experiments');
  await page.getByRole('link', { name: 'Declare one' }).click();
  await heading(page, 'Declare an experiment');
  await page.getByLabel('Name', { exact: true }).fill('again');
  await page.getByLabel('Flag', { exact: true }).selectOption('price');
  await page.getByLabel('Event', { exact: true }).fill('purchase');
  await page.getByRole('button', { name: 'Declare and start' }).click();
  await page.locator('.field.wrong').getByText('end it first').waitFor();
  await api('PUT', 'flags/sound', { variants: { off: false, on: true }, defaultVariant: 'off', rolloutBp: 5_000 });
  await visit(page, '#/experiments?new');
  await page.reload();
  await page.getByLabel('Name', { exact: true }).fill('again');
  await page.getByLabel('Flag', { exact: true }).selectOption('sound');
  await page.getByLabel('Event', { exact: true }).fill('purchase');
  await page.getByRole('button', { name: 'Declare and start' }).click();
  await said(page, 'again has started');
  await page.getByText('nobody has seen').waitFor();

  await visit(page, '#/experiments/cheaper');
  await page.getByRole('region', { name: 'Promote treatment' }).getByText('17.00 % against 10.00 %').waitFor();
  const course = page.getByRole('region', { name: 'Course' });
  assert.match(await course.getByRole('img').getAttribute('aria-label'), /Effect of treatment against control.*between \+2\.\d+ and \+11\.\d+/);
  assert.ok(await course.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > 10;
  }), 'something is drawn');
  await course.getByText('The numbers as a table').click();
  await course.getByRole('row').first().waitFor();
  assert.equal(await course.getByRole('row').count(), 1 + 13, 'twelve days, today, and the heads');
  await page.getByRole('button', { name: 'Promote…' }).click();
  const ask = page.getByRole('dialog', { name: 'Promote a variant of price' });
  assert.equal(await ask.getByLabel('Everybody gets').inputValue(), 'treatment');
  await shoot(page, 'promote');
  await ask.getByRole('button', { name: 'Promote', exact: true }).click();
  await said(page, 'Everybody gets treatment of price');
  for (let n = 0; n < 20; n += 1) assert.equal(await variantOf('price', `q${n}`), 'treatment');
  await page.getByText('Everybody gets treatment', { exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Promote…' }).count(), 0, 'it has ended');

  await visit(page, '#/flags/price');
  const history = page.getByRole('region', { name: 'History' });
  await history.getByText('Promoted').waitFor();
  await history.getByRole('button', { name: /^Roll back to/ }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
  await said(page, 'price is what it was');
  const variants = new Set();
  for (let n = 0; n < 40; n += 1) variants.add(await variantOf('price', `q${n}`));
  assert.deepEqual([...variants].sort(), ['control', 'treatment']);

  await visit(page, '#/experiments/faster');
  await page.getByRole('button', { name: 'Drop…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).click();
  await said(page, 'Everybody gets the default of speed');
  await page.context().close();
});

test('a player is looked up: online, his offers, his flags with their reasons; a trait is stated', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/player');
  await page.getByRole('searchbox', { name: 'Player' }).fill('ann');
  await page.keyboard.press('Enter');
  await heading(page, 'ann');
  await page.getByRole('region', { name: 'Sessions' }).getByText('Online').waitFor();
  await page.getByRole('region', { name: 'Known' }).getByText('whales').waitFor();
  await page.getByRole('region', { name: 'Offers' }).getByText('accepted').waitFor();
  const lucky = page.getByRole('region', { name: 'Flags' }).getByRole('row').filter({ hasText: 'lucky_hour' });
  assert.match(await lucky.innerText(), /TARGETING_MATCH/);
  await page.getByLabel('Value').first().fill('FR');
  await page.getByRole('button', { name: 'Save traits' }).click();
  await said(page, 'The traits of ann are saved.');
  await page.getByRole('region', { name: 'Flags' }).getByRole('row').filter({ hasText: 'lucky_hour' }).getByText('DEFAULT').waitFor();
  await visit(page, '#/player/cheat');
  await page.getByRole('button', { name: 'Ban…' }).click();
  const ban = page.getByRole('dialog', { name: 'Ban cheat' });
  await ban.getByRole('button', { name: 'Ban', exact: true }).click();
  await ban.getByText('A ban needs a reason.').waitFor();
  await ban.getByLabel('Reason').fill('a bot');
  await ban.getByRole('button', { name: 'Ban', exact: true }).click();
  await page.getByText('Banned for good: a bot').waitFor();
  await shoot(page, 'banned');
  assert.equal((await api('GET', 'bans/cheat')).reason, 'a bot');
  await page.getByRole('button', { name: 'Let in again…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Let in' }).click();
  await said(page, 'cheat may play again');
  await settled(page);
  await page.getByRole('region', { name: 'Changes to this player' }).getByText('unban player').waitFor();
  await page.getByRole('searchbox', { name: 'Player' }).fill('not a player!');
  await page.keyboard.press('Enter');
  await page.getByText('it must be 1 to 64 of').waitFor();
  await page.context().close();
});

test('by the keyboard alone: in, to a flag, changed, saved, and out of a dialog to where one was', async () => {
  const page = await open();
  await page.keyboard.type(key);
  await page.keyboard.press('Enter');
  await heading(page, FIRST);
  const focus = () => page.evaluate(() => {
    const { activeElement: at } = document;
    return { tag: at.tagName, text: (at.textContent || at.getAttribute('aria-label') || '').trim(), ring: getComputedStyle(at).outlineStyle };
  });
  const tabTo = async (text) => {
    for (let n = 0; n < 80; n += 1) {
      await page.keyboard.press('Tab');
      const at = await focus();
      if (at.text === text) {
        assert.notEqual(at.ring, 'none', `where ${text} is can be seen`);
        return;
      }
    }
    assert.fail(`${text} cannot be reached`);
  };
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('Tab');
  assert.equal((await focus()).text, 'Skip to the content');
  await tabTo('Flags');
  await page.keyboard.press('Enter');
  await heading(page, 'Flags');
  assert.equal((await focus()).tag, 'H1', 'a new page has the focus');
  await tabTo('lucky_hour');
  await page.keyboard.press('Enter');
  await heading(page, 'lucky_hour');
  await tabTo('Delete…');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  assert.equal((await focus()).text, 'Cancel', 'the safe answer is first');
  for (let n = 0; n < 6; n += 1) {
    await page.keyboard.press('Tab');
    const within = await page.evaluate(() => document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement));
    assert.ok(within, 'the dialog holds the focus');
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal((await focus()).text, 'Delete…', 'the focus is back');
  await tabTo('Rollout');
  await page.keyboard.press('ArrowRight');
  await tabTo('Save');
  await page.keyboard.press('Enter');
  await said(page, 'lucky_hour is saved');
  assert.equal((await api('GET', 'flags/lucky_hour')).rolloutBp, 126);
  await settled(page);
  assert.equal((await focus()).tag, 'H1', 'the page is read anew, and the focus is still on it');
  await page.context().close();
});

test('nothing that anybody wrote becomes markup', async () => {
  await api('PUT', `flags/${encodeURIComponent(EVIL)}`, { variants: { [EVIL]: EVIL }, defaultVariant: EVIL, overrides: { tester: EVIL } });
  await api('PUT', 'campaigns/evil', { title: EVIL, expiresInSeconds: 60, placements: [EVIL], enabled: false });
  await api('PUT', `segments/${encodeURIComponent(EVIL)}`, { description: EVIL, when: { trait: { name: EVIL, op: '=', value: EVIL } } });
  await api('PUT', 'players/evil/traits', { [EVIL]: EVIL });
  await api('DELETE', `flags/${encodeURIComponent(EVIL)}`);
  await api('POST', `flags/${encodeURIComponent(EVIL)}/rollback`, { to: (await api('GET', `flags/${encodeURIComponent(EVIL)}/history`)).changes[1].version });
  const page = await open();
  await enter(page, '<b>maria</b>');
  for (const hash of ['#/flags', `#/flags/${encodeURIComponent(EVIL)}`, '#/campaigns', '#/campaigns/evil', '#/player/evil', '#/experiments', `#/${encodeURIComponent(EVIL)}`]) {
    await visit(page, hash);
    assert.equal(await page.evaluate(() => document.querySelectorAll('main img, #who b').length), 0, hash);
  }
  await visit(page, `#/flags/${encodeURIComponent(EVIL)}`);
  await heading(page, EVIL);
  for (const summary of await page.getByText('What changed').all()) await summary.click();
  assert.equal(await page.evaluate(() => document.querySelectorAll('main img').length), 0);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.getByText('<b>maria</b>').count(), 1);
  // A name that means something to JavaScript is a name like any other.
  await visit(page, '#/flags?new');
  await page.getByLabel('Name', { exact: true }).fill('proto');
  await page.getByLabel('Name of the variant').nth(1).fill('__proto__');
  await page.getByRole('button', { name: 'Create flag' }).click();
  await said(page, 'proto is saved');
  assert.deepEqual(Object.keys((await api('GET', 'flags/proto')).variants).sort(), ['__proto__', 'control']);
  await page.context().close();
  await api('DELETE', `flags/${encodeURIComponent(EVIL)}`);
});

test('a server that is away is said, and what was typed stays', async () => {
  const page = await open();
  await enter(page);
  await visit(page, '#/flags/lucky_hour');
  await page.getByLabel('Rollout, per cent').fill('9');
  await page.context().setOffline(true);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('alert').getByText('The server does not answer').waitFor();
  assert.equal(await page.getByLabel('Rollout, per cent').inputValue(), '9');
  await page.context().setOffline(false);
  for (let n = complaints.length - 1; n >= 0; n -= 1) if (complaints[n].includes('ERR_INTERNET_DISCONNECTED')) complaints.splice(n, 1);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await said(page, 'lucky_hour is saved');
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desktop', { width: 1280, height: 800 }], ['phone', { width: 360, height: 640 }]]) {
    test(`every page is readable and sound: ${size}, ${colorScheme}`, async () => {
      const page = await open({ colorScheme, viewport });
      const look = async (name) => {
        if (shots) await page.screenshot({ path: `${shots}/${name}-${size}-${colorScheme}.png`, fullPage: true });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${name} is ${over} pixels too wide`);
        await page.evaluate(axe.source);
        // What differs in the dark and on a phone is contrast and layout; everything is asked once.
        const rules = colorScheme === 'light' && size === 'desktop'
          ? { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }
          : { type: 'rule', values: ['color-contrast', 'aria-required-children', 'aria-required-parent', 'scrollable-region-focusable', 'target-size'] };
        const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly, resultTypes: ['violations'] }), rules);
        const bad = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        assert.deepEqual(bad.map(({ id, nodes }) => [name, id, nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`)]), []);
      };
      await look('door');
      await enter(page);
      for (const [name, hash] of Object.entries(PAGES)) {
        await visit(page, hash);
        await look(name);
      }
      await visit(page, '#/campaigns');
      await page.getByRole('button', { name: 'Edit whales' }).click();
      await look('dialog');
      await page.context().close();
    });
  }
}

test('the files come with their tags and the headers that keep a browser in', async () => {
  const first = await fetch(`${base}/`);
  assert.match(first.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(first.headers.get('content-security-policy'), /unsafe/);
  assert.doesNotMatch(await first.text(), /<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=/, 'nothing is inline');
  for (const [header, value] of [['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'], ['referrer-policy', 'no-referrer'], ['cross-origin-opener-policy', 'same-origin']]) {
    assert.equal(first.headers.get(header), value);
  }
  const script = await fetch(`${base}/console/app.js`);
  assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
  const again = await fetch(`${base}/console/app.js`, { headers: { 'if-none-match': script.headers.get('etag') } });
  assert.deepEqual([again.status, await again.text()], [304, '']);
  for (const path of ['console/none.js', 'console/../Cargo.toml', 'console/%2e%2e/Cargo.toml', 'console/']) {
    assert.equal((await fetch(`${base}/${path}`)).status, 404, path);
  }
  assert.equal((await fetch(`${base}/`, { method: 'POST' })).status, 405);
  assert.equal((await fetch(`${players}/console/app.js`)).status, 404, 'players have no console');
});

test('the browser had nothing to complain of', () => {
  assert.deepEqual(complaints, []);
});
