'use strict';
/**
 * What an application does with the Node driver, once for each protocol version, on a server that the test started.
 *
 * Usage: client.js ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
 */
const assert = require('node:assert/strict');
const readline = require('node:readline');
const { setTimeout: pause } = require('node:timers/promises');
const cassandra = require('cassandra-driver');

const { types, policies } = cassandra;
const { BigDecimal, Duration, InetAddress, Integer, LocalDate, LocalTime, Long, TimeUuid, Tuple, Uuid } = types;
const [ADDRESS, PORT] = [process.argv[2], Number(process.argv[3])];

const timeuuid = TimeUuid.fromString('5f4b1c80-1234-11ee-8c90-0242ac120002');

// column, type, an ordinary value, an extreme one, and what the latter is read as if that differs
const COLUMNS = [
  ['a_ascii', 'ascii', 'plain', ''],
  ['a_bigint', 'bigint', Long.fromNumber(42), Long.MIN_VALUE],
  ['a_blob', 'blob', Buffer.from([0, 1, 255]), Buffer.alloc(0)],
  ['a_boolean', 'boolean', true, false],
  ['a_date', 'date', LocalDate.fromString('2026-02-28'), LocalDate.fromString('1582-10-14')],
  ['a_decimal', 'decimal', BigDecimal.fromString('1.00'), BigDecimal.fromString('-0.000000000000000000000000000001')],
  ['a_double', 'double', 0.1, -Infinity],
  ['a_duration', 'duration', new Duration(14, 3, Long.fromString('4000000005')), new Duration(-1, -2, Long.fromNumber(-3))],
  ['a_float', 'float', 0.5, -0],
  ['an_inet', 'inet', InetAddress.fromString('192.0.2.1'), InetAddress.fromString('2001:db8::1')],
  ['an_int', 'int', 7, -(2 ** 31)],
  ['a_smallint', 'smallint', 300, -(2 ** 15)],
  ['a_text', 'text', 'Straße 東京 🌆', ''],
  ['a_time', 'time', LocalTime.fromString('00:00:00.000000001'), LocalTime.fromString('23:59:59.999999999')],
  ['a_timestamp', 'timestamp', new Date('2026-01-02T03:04:05.678Z'), new Date('0001-01-01T00:00:00Z')],
  ['a_timeuuid', 'timeuuid', timeuuid, TimeUuid.min(new Date(0), 0)],
  ['a_tinyint', 'tinyint', 5, -128],
  ['a_uuid', 'uuid', Uuid.fromString('00112233-4455-6677-8899-aabbccddeeff'), Uuid.fromString('00000000-0000-0000-0000-000000000000')],
  ['a_varchar', 'varchar', 'text by its other name', '\0'],
  ['a_varint', 'varint', Integer.fromString('1606938044258990275541962092341162602522202993782792835301376'), Integer.fromString('-9223372036854775809')],
  ['a_list', 'list<int>', [3, 1, 3], [-1]],
  ['a_set', 'set<text>', ['a', 'b'], ['']],
  ['a_map', 'map<text, int>', { one: 1, two: 2 }, { '': -1 }],
  ['a_frozen', 'frozen<list<frozen<set<int>>>>', [[1, 2], [3]], [[-1]]], // the driver writes an empty collection as null
  ['a_tuple', 'tuple<int, text, boolean>', new Tuple(1, 'two', true), new Tuple(0, '', false)],
  ['a_type', 'frozen<address>', { street: 'Main Street', numbers: [1, 2], labels: { home: '1' } }, { street: null, numbers: null, labels: null }],
  ['an_open_type', 'address', { street: 'Side Street', numbers: [3], labels: { work: '2' } }, { street: 'only a street', numbers: null, labels: null }],
  ['a_vector', 'vector<float, 3>', new Float32Array([1, -2.5, 0.25]), new Float32Array([0, 0, 0])],
];

async function main() {
  for (const version of [types.protocolVersion.v3, types.protocolVersion.v4]) {
    const client = await connect(version);
    assert.equal(client.controlConnection.protocolVersion, version);
    console.log(`protocol v${version}`);
    await schema(client);
    await everyType(client, version);
    await paging(client);
    await batches(client);
    await transactions(client);
    await errors(client);
    await schemaEvents(client, version);
    await client.shutdown();
  }
  await reconnect();
  console.log('all checked');
}

/** Without a version the driver begins with its highest, a DSE one, and comes down to what the server speaks. */
async function connect(version) {
  const client = new cassandra.Client({
    contactPoints: [`${ADDRESS}:${PORT}`],
    localDataCenter: 'datacenter1',
    protocolOptions: { maxVersion: version },
    socketOptions: { readTimeout: 60000, connectTimeout: 60000 },
    refreshSchemaDelay: 50,
    policies: { reconnection: new policies.reconnection.ConstantReconnectionPolicy(100) },
  });
  await client.connect();
  return client;
}

const prepared = { prepare: true };

async function schema(client) {
  await client.execute('DROP KEYSPACE IF EXISTS app');
  const replicas = process.env.REPLICATION_FACTOR || '3';
  await client.execute(`CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': ${replicas}}`);
  await client.execute('USE app');
  await client.execute('CREATE TYPE address (street text, numbers frozen<list<int>>, labels frozen<map<text, text>>)');
  await client.execute(`CREATE TABLE every_type (id int PRIMARY KEY, ${COLUMNS.map(([name, type]) => `${name} ${type}`).join(', ')})`);
  await client.execute('CREATE INDEX by_text ON every_type (a_text)');
  const table = await client.metadata.getTable('app', 'every_type');
  assert.deepEqual(new Set(table.columns.map(c => c.name)), new Set(['id', ...COLUMNS.map(([name]) => name)]));
  assert.deepEqual(table.partitionKeys.map(c => c.name), ['id']);
  assert.deepEqual(table.indexes.map(index => [index.name, index.target]), [['by_text', 'a_text']]);
  const type = await client.metadata.getUdt('app', 'address');
  assert.deepEqual(type.fields.map(field => field.name), ['street', 'numbers', 'labels']);
  assert.ok((await client.metadata.getKeyspaces?.()) ?? client.metadata.keyspaces.app, 'the keyspace is in the metadata');
  console.log('  schema: keyspace, type, table, index, all in the metadata');
}

/** Protocol v3 has no codes for these: it sends them as custom types, which this driver does not know by name. */
const SINCE_V4 = new Set(['date', 'time', 'smallint', 'tinyint']);

async function everyType(client, version) {
  const columns = COLUMNS.filter(([, type]) => version >= types.protocolVersion.v4 || !SINCE_V4.has(type));
  const names = columns.map(([name]) => name);
  const insert = `INSERT INTO every_type (id, ${names.join(', ')}) VALUES (?${', ?'.repeat(names.length)})`;
  const select = `SELECT ${names.join(', ')} FROM every_type WHERE id = ?`;
  for (const [id, which] of [[1, 2], [2, 3]]) {
    await client.execute(insert, [id, ...columns.map(column => column[which])], prepared);
    const row = (await client.execute(select, [id], prepared)).first();
    for (const column of columns) {
      assert.deepEqual(plain(row[column[0]]), plain(column[which]), `${column[0]} of row ${id}`);
    }
  }
  await client.execute(insert, [3, ...names.map(() => null)], prepared);
  const nulls = (await client.execute(select, [3], prepared)).first();
  names.forEach(name => assert.equal(nulls[name], null, `${name} of the row of nulls`));
  if (version >= types.protocolVersion.v4) {
    await client.execute('INSERT INTO every_type (id, an_int, a_text) VALUES (:id, :n, :t)', { id: 1, n: 8, t: types.unset }, prepared);
    const row = (await client.execute('SELECT an_int, a_text FROM every_type WHERE id = 1')).first();
    assert.deepEqual([row.an_int, row.a_text], [8, 'Straße 東京 🌆']);
  }
  const found = await client.execute('SELECT id FROM every_type WHERE a_text = ?', ['Straße 東京 🌆'], prepared);
  assert.deepEqual(found.rows.map(row => row.id), [1]);
  console.log(`  types: ${names.length} columns written and read prepared, ordinary, extreme and null; found by index`);
}

/** A value without what the driver caches in its objects. */
function plain(value) {
  if (value === null) return null;
  if (value instanceof Float32Array || value instanceof types.Vector) return JSON.stringify([...value]);
  const written = value instanceof Tuple ? value.elements : value;
  return Buffer.isBuffer(written) || typeof written !== 'object' || written.constructor === Object || Array.isArray(written)
    ? written
    : written.toString();
}

async function paging(client) {
  await client.execute('CREATE TABLE pages (part int, n int, v text, PRIMARY KEY (part, n))');
  const writes = Array.from({ length: 1000 }, (_, n) => ({ query: [n % 4, n, `value ${n}`] }));
  await cassandra.concurrent.executeConcurrent(client, 'INSERT INTO pages (part, n, v) VALUES (?, ?, ?)', writes.map(w => w.query));
  let pages = 0;
  let state;
  const seen = new Set();
  do {
    const page = await client.execute('SELECT n, v FROM pages', [], { prepare: true, fetchSize: 90, pageState: state });
    assert.ok(page.rows.length <= 90, `a page of ${page.rows.length} rows where 90 were asked for`);
    page.rows.forEach(row => {
      assert.equal(row.v, `value ${row.n}`);
      seen.add(row.n);
    });
    pages += 1;
    state = page.pageState;
  } while (state);
  assert.equal(seen.size, 1000);
  assert.ok(pages === 12 || pages === 13, `1000 rows came in ${pages} pages of 90`);
  const streamed = [];
  for await (const row of await client.execute('SELECT n FROM pages WHERE part = 1', [], { prepare: true, fetchSize: 7 })) {
    streamed.push(row.n);
  }
  assert.deepEqual(streamed, Array.from({ length: 250 }, (_, n) => 4 * n + 1));
  console.log(`  paging: 1000 rows in ${pages} pages, and one partition row by row`);
}

async function batches(client) {
  await client.execute('CREATE TABLE counted (id int PRIMARY KEY, c counter)');
  const insert = 'INSERT INTO pages (part, n, v) VALUES (?, ?, ?)';
  const logged = Array.from({ length: 10 }, (_, n) => ({ query: insert, params: [100 + n, 1, 'batched'] }));
  logged.push({ query: 'INSERT INTO every_type (id, a_text) VALUES (?, ?)', params: [100, 'batched'] });
  await client.batch(logged, { prepare: true, logged: true });
  const parts = await client.execute('SELECT part FROM pages WHERE part IN (100, 104, 109)');
  assert.deepEqual(parts.rows.map(row => row.part), [100, 104, 109]);
  const unlogged = Array.from({ length: 50 }, (_, n) => ({ query: insert, params: [200, n, 'unlogged'] }));
  await client.batch(unlogged, { prepare: true, logged: false });
  assert.equal(String((await client.execute('SELECT count(*) FROM pages WHERE part = 200')).first().count), '50');
  await client.batch(["INSERT INTO pages (part, n, v) VALUES (300, 1, 'x')", "INSERT INTO pages (part, n, v) VALUES (300, 2, 'y')"]);
  assert.equal((await client.execute('SELECT n FROM pages WHERE part = 300')).rowLength, 2);
  const add = 'UPDATE counted SET c = c + ? WHERE id = ?';
  for (let i = 0; i < 3; i++) {
    await client.batch([{ query: add, params: [5, 1] }, { query: add, params: [-2, 2] }], { prepare: true, counter: true });
  }
  const counters = (await client.execute('SELECT id, c FROM counted')).rows.map(row => [row.id, Number(row.c)]);
  assert.deepEqual(counters.sort(), [[1, 15], [2, -6]]);
  console.log('  batches: logged over two tables, unlogged, of texts, counter');
}

async function transactions(client) {
  await client.execute('CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance int)');
  const insert = 'INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) IF NOT EXISTS';
  assert.equal((await client.execute(insert, [1, 'Ada', 10], prepared)).wasApplied(), true);
  const second = await client.execute(insert, [1, 'Eve', 99], prepared);
  assert.equal(second.wasApplied(), false);
  assert.deepEqual({ ...second.first() }, { '[applied]': false, id: 1, owner: 'Ada', balance: 10 });
  const update = 'UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?';
  const local = { prepare: true, serialConsistency: types.consistencies.localSerial };
  assert.equal((await client.execute(update, [20, 1, 10], local)).wasApplied(), true);
  const refused = await client.execute(update, [30, 1, 10], local);
  assert.deepEqual([refused.wasApplied(), refused.first().balance], [false, 20]);
  console.log('  transactions: insert and update, applied and not');
}

async function errors(client) {
  const { responseErrorCodes: codes } = types;
  await refused(client, 'SELEC * FROM every_type', codes.syntaxError, /line 1:0/);
  await refused(client, 'SELECT * FROM nosuch', codes.invalid, /nosuch/);
  await refused(client, 'SELECT * FROM every_type WHERE an_int = 1', codes.invalid, /ALLOW FILTERING/);
  await refused(client, 'CREATE TABLE every_type (id int PRIMARY KEY)', codes.alreadyExists, /every_type/);
  await refused(client, 'SELECT nosuch FROM every_type', codes.invalid, /nosuch/, prepared);
  console.log('  errors: syntax, invalid, already exists, at prepare too');
}

async function refused(client, statement, code, words, options) {
  await assert.rejects(client.execute(statement, [], options), error => {
    assert.equal(error.code, code, `the code of ${statement}: ${error.message}`);
    assert.match(error.message, words);
    return true;
  });
}

/** The driver keeps what it read of a table until an event says that the table changed. */
async function schemaEvents(client, version) {
  const there = async () => client.metadata.getTable('app', 'from_elsewhere');
  const other = await connect(version);
  await other.execute('CREATE TABLE app.from_elsewhere (id int PRIMARY KEY)');
  await until('a new table', async () => (await there()) !== null);
  await other.execute('ALTER TABLE app.from_elsewhere ADD added text');
  await until('a new column', async () => (await there()).columnsByName.added !== undefined);
  await other.execute('DROP TABLE app.from_elsewhere');
  await until('a dropped table', async () => (await there()) === null);
  await other.execute("CREATE KEYSPACE elsewhere WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
  await until('a new keyspace', async () => client.metadata.keyspaces.elsewhere !== undefined);
  await other.execute('DROP KEYSPACE elsewhere');
  await until('a dropped keyspace', async () => client.metadata.keyspaces.elsewhere === undefined);
  await other.shutdown();
  console.log('  schema events: table, column, keyspace and drops by another session');
}

async function reconnect() {
  const client = await connect();
  assert.equal(client.controlConnection.protocolVersion, types.protocolVersion.v4);
  await client.execute('USE app');
  const select = 'SELECT owner FROM app.accounts WHERE id = ?';
  await client.execute('INSERT INTO app.accounts (id, owner, balance) VALUES (?, ?, ?)', [7, 'before', 1], prepared);
  assert.equal((await client.execute(select, [7], prepared)).first().owner, 'before');
  console.log('restart the server');
  const input = readline.createInterface({ input: process.stdin });
  const [word] = await require('node:events').once(input, 'line');
  input.close();
  assert.equal(word, 'restarted');
  await until('the driver to reconnect', async () => {
    try {
      return (await client.execute(select, [7], prepared)).first().owner === 'before';
    } catch (error) {
      if (error instanceof cassandra.errors.NoHostAvailableError) return false;
      throw error;
    }
  });
  await client.execute('INSERT INTO app.accounts (id, owner, balance) VALUES (?, ?, ?)', [8, 'after', 2], prepared);
  assert.equal((await client.execute(select, [8], prepared)).first().owner, 'after');
  await client.shutdown();
  console.log('reconnect: what was written before the kill is read, prepared statements go on');
}

/** Waits up to a minute for what comes by itself. */
async function until(what, holds) {
  for (let i = 0; i < 1200; i++) {
    if (await holds()) return;
    await pause(50);
  }
  assert.fail(`waited a minute for ${what}`);
}

// An input that is still open would keep the process alive.
main().then(() => process.exit(0), error => {
  console.error(`MISMATCH: ${error.stack}`);
  process.exit(1);
});
