'use strict';
/**
 * What a person does with the console, in a headless Chromium, on a server that the test started.
 *
 * Usage: client.js ORIGIN [NAME PASSWORD]. Prints what it checked; the first mismatch ends it with the reason. With
 * SCREENSHOTS=FOLDER in the environment it leaves a picture of each kind of page there, for people to look at; FACTS names what
 * the first page must tell.
 */
const assert = require('node:assert/strict');
const path = require('node:path');
const { chromium } = require('playwright-core');

const [ORIGIN, NAME, PASSWORD] = process.argv.slice(2);
const FLAGS = [
  '--no-sandbox', // the tests run as root in containers, where Chromium refuses to start with one
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
];
const WIDE = { width: 1400, height: 1000 };
const NARROW = { width: 380, height: 800 };
const FACTS = (process.env.FACTS || '').split(',');
const EVIL = '<script>document.title = "taken over"</script>';

async function main() {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  try {
    if (NAME) {
      await login(browser);
    } else {
      await fill(browser);
      await browse(browser);
      await keyboard(browser);
      await withoutScript(browser);
      await endpoints(browser);
      for (const colorScheme of ['light', 'dark']) {
        for (const viewport of [WIDE, NARROW]) await looks(browser, colorScheme, viewport);
      }
    }
  } finally {
    await browser.close();
  }
  console.log('all checked');
}

/** The page of the REST API: a row is written and read by the forms there. */
async function endpoints(browser) {
  const { page, complaints, close } = await open(browser);
  await page.goto(`${ORIGIN}/v2/docs`);
  const ask = async (summary, fields) => {
    const option = page.locator('option', { hasText: summary }).first();
    await page.getByLabel('Endpoint').selectOption(await option.getAttribute('value'));
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('status').filter({ hasText: ' ms' }).waitFor();
    const said = [await page.getByRole('status').innerText(), await page.locator('#answer').innerText()];
    await page.locator('#sent').evaluate((sent) => { sent.textContent = ''; });
    return said;
  };
  const body = (value) => ({ 'Body (JSON)': JSON.stringify(value) });
  const [created] = await ask('Creates a keyspace', body({ name: 'tried' }));
  assert.match(created, /POST .*keyspaces → 201/);
  const table = {
    name: 't', columnDefinitions: [{ name: 'k', typeDefinition: 'text' }, { name: 'v', typeDefinition: 'int' }],
    primaryKey: { partitionKey: ['k'] },
  };
  await ask('Creates a table', { 'keyspaceName *': 'tried', ...body(table) });
  const place = { 'keyspaceName *': 'tried', 'tableName *': 't' };
  const [added] = await ask('Writes a row, or', { ...place, ...body({ k: 'a/b', v: 7 }) });
  assert.match(added, /→ 201/);
  const [read, row] = await ask('Rows by a primary key', { ...place, 'primaryKey *': 'a%2Fb', raw: 'true' });
  assert.match(read, /tried\/t\/a%2Fb\?raw=true → 200/);
  assert.deepEqual(JSON.parse(row), [{ k: 'a/b', v: 7 }]);
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: path.join(process.env.SCREENSHOTS, 'rest.png'), fullPage: true });
  }
  assert.deepEqual(complaints, []);
  await close();
  console.log('the page of the REST API');
}

/** A page that is watched: what it asks for, what it complains of. */
async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== ORIGIN) complaints.push(`asked ${request.url()}`);
  });
  page.on('requestfailed', (request) => {
    // What is still being loaded when the next page is asked for is given up.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') complaints.push(`failed: ${request.url()}: ${errorText}`);
  });
  return { page, complaints, close: () => context.close() };
}

/** A browser complains itself when a page comes with an error's status: that status, and any other complaint as it is. */
const statuses = (complaints) => complaints.map((complaint) => {
  const [, status] = /^Failed to load resource: the server responded with a status of (\d+)/.exec(complaint) ?? [];
  return status ?? complaint;
});

/** Does what leads to another page, and waits until that is whole. */
const leads = (page, act) => Promise.all([page.waitForEvent('load'), act()]);
const follow = (page, selector) => leads(page, () => page.click(selector));
const press = (page, selector, key) => leads(page, () => page.press(selector, key));
const type = (page, key) => leads(page, () => page.keyboard.press(key));

async function run(page, statement) {
  await page.fill('#statement', statement);
  await follow(page, '.primary');
}

async function fill(browser) {
  const { page, complaints, close } = await open(browser);
  await page.goto(ORIGIN);
  assert.match(await page.textContent('main'), /There is no keyspace yet/);
  await run(page, "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
  assert.match(await page.textContent('[role=status]'), /Created keyspace shop\./);
  await run(page, 'CREATE TABLE shop.orders (customer text, number int, price decimal, tags set<text>, note text, PRIMARY KEY (customer, number))');
  await page.selectOption('[name=keyspace]', 'shop');
  for (let first = 0; first < 120; first += 40) {
    const inserts = Array.from({ length: 40 }, (_, i) => first + i).map((n) => {
      const note = n === 3 ? EVIL : n % 5 ? `note ${n}` : 'A remark that goes on and on. '.repeat(20);
      return `INSERT INTO orders (customer, number, price, tags, note) VALUES ('ada', ${n}, ${n}.50, {'gift', 'sale'}, '${note}');`;
    });
    await run(page, `BEGIN UNLOGGED BATCH ${inserts.join(' ')} APPLY BATCH`);
    assert.match(await page.textContent('[role=status]'), /Done\./);
  }
  assert.deepEqual(complaints, []);
  await close();
  console.log('statements made a table and filled it');
}

async function browse(browser) {
  const { page, complaints, close } = await open(browser);
  await page.goto(ORIGIN);
  for (const fact of FACTS) {
    assert.ok((await page.locator('.facts dt', { hasText: fact }).count()) > 0, fact);
  }
  await follow(page, 'h3 >> text=shop');
  assert.equal(await page.textContent('h1'), 'Keyspace shop');
  await follow(page, 'main table >> text=orders');
  assert.equal(await page.textContent('h1'), 'Table orders');

  const numbers = async () => (await page.locator('.grid tbody tr td:nth-child(2)').allTextContents()).map(Number);
  const seen = [await numbers()];
  while ((await page.locator('a[rel=next]').count()) > 0) {
    await follow(page, 'a[rel=next]');
    seen.push(await numbers());
  }
  assert.deepEqual(seen.map((page) => page.length), [50, 50, 20]);
  assert.deepEqual(seen.flat(), Array.from({ length: 120 }, (_, i) => i));
  await follow(page, 'a[rel=prev]');
  assert.deepEqual(await numbers(), seen[1]);
  await page.goBack();
  assert.deepEqual(await numbers(), seen[2], "the browser's own Back");
  await follow(page, 'text=First');
  assert.deepEqual(await numbers(), seen[0]);

  assert.equal(await page.textContent('.grid tbody tr:nth-child(4) td:nth-child(3)'), EVIL);
  assert.equal(await page.title(), 'shop.orders · Ilium', 'a value ran as a script');
  const long = page.locator('.grid details').first();
  assert.equal(await long.locator('.whole').isVisible(), false);
  await long.locator('summary').press('Enter');
  assert.equal(await long.locator('.whole').textContent(), 'A remark that goes on and on. '.repeat(20));
  assert.equal(await long.locator('.whole').isVisible(), true);

  await page.fill('.find input', 'nobody');
  await press(page, '.find input', 'Enter');
  assert.match(await page.textContent('main'), /There is no such partition/);
  await follow(page, 'text=All rows');
  await follow(page, 'text=Query this table');
  assert.equal(await page.inputValue('#statement'), 'SELECT * FROM shop.orders');
  assert.deepEqual(complaints, []);
  await close();
  console.log('keyspace, table, pages forward and back, a value cut and whole');
}

/** Tab, until what has the focus is this. */
async function tabTo(page, selector) {
  for (let i = 0; i < 40; i += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, 'none', `the focus on ${selector} is not to be seen`);
      return;
    }
  }
  assert.fail(`the keyboard does not reach ${selector}`);
}

async function keyboard(browser) {
  const { page, complaints, close } = await open(browser);
  await page.goto(ORIGIN);
  await tabTo(page, '.skip');
  await tabTo(page, '.top nav a[href="/console/statement"]');
  await type(page, 'Enter');
  await tabTo(page, '#statement');
  await page.keyboard.type('SELECT number\nFORM shop.orders');
  await type(page, 'Control+Enter');
  assert.match(await page.textContent('[role=alert]'), /line 2:0 mismatched input 'FORM' expecting K_FROM/);
  assert.equal(await page.textContent('[role=alert] mark'), 'FORM');
  assert.equal(await page.getAttribute('#statement', 'aria-invalid'), 'true');
  assert.deepEqual(statuses(complaints.splice(0)), ['400']);

  // The cursor is at the error, which typing replaces.
  await page.keyboard.type('FROM');
  await type(page, 'Control+Enter');
  assert.equal(await page.locator('.grid tbody tr').count(), 50);
  await tabTo(page, '.scroll');
  await tabTo(page, '.pager button');
  await type(page, 'Enter');
  assert.equal(await page.textContent('.grid tbody tr td'), '50');
  assert.equal(await page.inputValue('#statement'), 'SELECT number\nFROM shop.orders');

  await page.goto(`${ORIGIN}/console/statement`);
  await tabTo(page, '#statement');
  await page.keyboard.type('SELECT sum(price) FROM shop.orders');
  await tabTo(page, '.primary');
  await type(page, 'Enter');
  assert.equal((await page.textContent('.grid tbody td')).trim(), '7200.00');
  assert.deepEqual(complaints, []);
  await close();
  console.log('a statement, its error, its correction and its pages by keyboard alone');
}

async function withoutScript(browser) {
  const { page, complaints, close } = await open(browser, { javaScriptEnabled: false });
  await page.goto(`${ORIGIN}/console/statement`);
  assert.equal(await page.locator('.hint').isVisible(), false, 'a key is promised that does nothing');
  await page.fill('#statement', 'SELECT number FROM shop.orders WHERE customer = \'ada\' LIMIT 3');
  await press(page, '.primary', 'Enter');
  assert.deepEqual(await page.locator('.grid tbody td').allTextContents(), ['0', '1', '2']);
  assert.deepEqual(complaints, []);
  await close();
  console.log('a statement without JavaScript');
}

const PAGES = {
  overview: async (page) => page.goto(ORIGIN),
  keyspace: async (page) => page.goto(`${ORIGIN}/console/keyspaces/shop`),
  table: async (page) => {
    await page.goto(`${ORIGIN}/console/keyspaces/shop/orders`);
    await page.click('.grid summary >> nth=1');
  },
  statement: async (page) => {
    await page.goto(`${ORIGIN}/console/statement`);
    await run(page, 'SELECT * FROM shop.orders');
  },
  error: async (page) => {
    await page.goto(`${ORIGIN}/console/statement`);
    await run(page, `SELECT * FROM shop.orders WHERE customer = = '${'x'.repeat(300)}'`);
  },
  nothing: async (page) => page.goto(`${ORIGIN}/console/nothing`),
};

/** Every kind of page in one colour scheme and one width. */
async function looks(browser, colorScheme, viewport) {
  const { page, complaints, close } = await open(browser, { colorScheme, viewport });
  for (const [name, go] of Object.entries(PAGES)) {
    await go(page);
    const found = await page.evaluate(inspect);
    const where = `${name}, ${colorScheme}, ${viewport.width} px`;
    assert.equal(found.overflow, 0, `${where}: wider than the window`);
    assert.equal(found.shift, 0, `${where}: the layout shifted`);
    assert.deepEqual(found.faint, [], `${where}: contrast below 4.5`);
    assert.deepEqual(found.nameless, [], `${where}: no name for those who do not see it`);
    assert.equal(found.isDark, colorScheme === 'dark', where);
    if (process.env.SCREENSHOTS) {
      const file = `${name}-${colorScheme}-${viewport.width}.png`;
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, file), fullPage: name !== 'table' });
    }
  }
  assert.deepEqual(statuses(complaints), ['400', '404']);
  await close();
  console.log(`${colorScheme} at ${viewport.width} px`);
}

/** Runs in the page: what is wrong with how it looks. */
function inspect() {
  const rgba = (text) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  // Relative luminance and contrast as WCAG 2.2 defines them.
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const seen = [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility() && !element.closest('svg'));
  const withText = seen.filter((element) => element.matches('input, textarea, select')
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  const faint = withText
    .map((element) => [element, contrast(rgba(getComputedStyle(element).color), behind(element))])
    .filter(([, ratio]) => ratio < 4.5)
    .map(([element, ratio]) => `${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  const nameless = seen
    .filter((element) => element.matches('input:not([type=hidden]), textarea, select'))
    .filter((element) => element.labels.length === 0)
    .concat(seen.filter((element) => element.matches('a, button') && !(element.textContent.trim() || element.getAttribute('aria-label'))))
    .map((element) => element.outerHTML.slice(0, 80));
  const observer = new PerformanceObserver(() => {});
  observer.observe({ type: 'layout-shift', buffered: true });
  const shifts = observer.takeRecords().filter((entry) => !entry.hadRecentInput);
  const root = document.documentElement;
  return {
    overflow: Math.max(0, root.scrollWidth - root.clientWidth),
    shift: shifts.reduce((sum, entry) => sum + entry.value, 0),
    isDark: luminance(behind(document.body)) < 0.2,
    faint,
    nameless,
  };
}

/** Where callers log in. */
async function login(browser) {
  const { page, complaints, close } = await open(browser);
  await page.goto(`${ORIGIN}/console/keyspaces/system_schema`);
  assert.equal(await page.textContent('h1'), 'Log in');
  await page.fill('[name=name]', NAME);
  await page.fill('[name=password]', `${PASSWORD} not`);
  await type(page, 'Enter');
  assert.deepEqual(statuses(complaints.splice(0)), ['401']);
  assert.equal(await page.inputValue('[name=password]'), '');
  await page.fill('[name=password]', PASSWORD);
  await type(page, 'Enter');
  assert.equal(new URL(page.url()).pathname, '/console/keyspaces/system_schema');
  assert.equal(await page.textContent('.who bdi'), NAME);

  const cookies = await page.context().cookies();
  const secure = ORIGIN.startsWith('https:');
  assert.deepEqual(cookies.map(({ name, httpOnly, sameSite, path, secure }) => ({ name, httpOnly, sameSite, path, secure })), [
    { name: 'ilium_token', httpOnly: true, sameSite: 'Strict', path: '/', secure },
  ]);
  await follow(page, 'text=Statement');
  await run(page, "CREATE ROLE reader WITH PASSWORD = 'secret' AND LOGIN = true");
  assert.match(await page.textContent('[role=status]'), /Done\./);
  await run(page, 'LIST ROLES');
  assert.match(await page.textContent('.grid'), /reader/);
  await follow(page, 'text=Log out');
  assert.equal(await page.textContent('h1'), 'Log in');

  await page.fill('[name=name]', 'reader');
  await page.fill('[name=password]', 'secret');
  await type(page, 'Enter');
  await follow(page, 'text=Statement');
  await run(page, "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
  assert.match(await page.textContent('[role=alert]'), /User reader has no CREATE permission/);
  assert.deepEqual(statuses(complaints), ['403']);
  await close();
  console.log('log in, log out, a role that may not');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
