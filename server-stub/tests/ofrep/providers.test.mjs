// OpenFeature's own providers and SDKs against a running reference server. Started by `ofrep_providers.rs`, which has made the flags and
// says in the environment where the server is. What is asserted is what a game's developer sees through OpenFeature's API.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature as Server } from '@openfeature/server-sdk';
import { OpenFeature as Web, ProviderEvents } from '@openfeature/web-sdk';

const { CASTLINE_URL: baseUrl, CASTLINE_LIMITED_URL: limitedUrl, CASTLINE_TOKEN: token, CASTLINE_ADMIN_URL: admin, CASTLINE_ADMIN_KEY: key } = process.env;
const gold = { targetingKey: 'ann', build: '2.1.0', tier: 'gold', level: 12 };
const headers = [['Authorization', `Bearer ${token}`]];

async function serverClient(domain, options) {
  await Server.setProviderAndWait(domain, new OFREPProvider({ baseUrl, ...options }));
  return Server.getClient(domain);
}

// A browser's local storage is not there in Node, so nothing is kept over the page.
function webProvider(options) {
  return new OFREPWebProvider({ baseUrl, cacheMode: 'disabled', pollInterval: 0, ...options });
}

// `Promise.withResolvers` came with Node 22.
function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve) => Object.assign(resolvers, { resolve }));
  return resolvers;
}

async function save(name, definition) {
  const response = await fetch(`${admin}/admin/flags/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(definition),
  });
  assert.equal(response.status, 200, await response.text());
}

test('the server provider: every type, with variant, reason and metadata', async () => {
  const client = await serverClient('types');
  const price = await client.getStringDetails('price', '$9.99', gold);
  assert.equal(price.value, '$1.99');
  assert.equal(price.variant, 'treatment');
  assert.equal(price.reason, 'TARGETING_MATCH');
  assert.match(price.flagMetadata.version, /^v\d+$/);
  assert.equal((await client.getStringDetails('price', '$9.99', { targetingKey: 'bob', build: '2.1.0' })).reason, 'DEFAULT');
  assert.equal(await client.getNumberValue('depth', 0, gold), 3.5);
  assert.deepEqual(await client.getObjectValue('boat', {}, gold), { speed: 2, name: 'Пила 🐟' });
  const off = await client.getBooleanDetails('shop', true, gold);
  assert.deepEqual([off.value, off.reason], [false, 'DISABLED']);
});

test('the server provider: error codes', async () => {
  const client = await serverClient('errors');
  const code = async (flag, context) => {
    const details = await client.getStringDetails(flag, 'default', context);
    assert.deepEqual([details.value, details.reason], ['default', 'ERROR']);
    return details.errorCode;
  };
  assert.equal(await code('none', gold), 'FLAG_NOT_FOUND');
  assert.equal(await code('depth', gold), 'TYPE_MISMATCH');
  assert.equal(await code('price', {}), 'TARGETING_KEY_MISSING');
  assert.equal(await code('price', { targetingKey: 'no player' }), 'INVALID_CONTEXT');
});

test('the server provider: a token shows private flags, to its own player alone', async () => {
  const client = await serverClient('token', { headers });
  assert.equal(await client.getStringValue('secret', 'default', gold), 'hidden');
  const other = await client.getStringDetails('secret', 'default', { ...gold, targetingKey: 'bob' });
  assert.deepEqual([other.value, other.reason], ['default', 'ERROR']);
  const stranger = await serverClient('stranger');
  assert.equal((await stranger.getStringDetails('secret', 'default', gold)).errorCode, 'FLAG_NOT_FOUND');
});

test('the server provider: after a 429 it waits as long as it was told', async () => {
  await Server.setProviderAndWait('limited', new OFREPProvider({ baseUrl: limitedUrl }));
  const client = Server.getClient('limited');
  const context = { targetingKey: 'limited' };
  assert.equal(await client.getBooleanValue('on', false, context), true);
  const refused = await client.getBooleanDetails('on', false, context);
  assert.deepEqual([refused.value, refused.reason], [false, 'ERROR']);
  assert.match(refused.errorMessage, /rate limit exceeded, try again after/);
  // The provider itself holds back now, by the server's Retry-After.
  assert.match((await client.getBooleanDetails('on', false, context)).errorMessage, /paused due to TooManyRequests/);
});

test('the web provider: one request for all flags, a new context, a change, a 304', async () => {
  const answers = [];
  const { promise: unchanged, resolve: is304 } = withResolvers();
  const fetchImplementation = async (...request) => {
    const response = await fetch(...request);
    answers.push(response.status);
    if (response.status === 304) is304();
    return response;
  };
  await Web.setContext(gold);
  const provider = webProvider({ fetchImplementation, pollInterval: 50 });
  await Web.setProviderAndWait(provider);
  const client = Web.getClient();
  assert.deepEqual(answers.slice(0, 1), [200]);
  const price = client.getStringDetails('price', '$9.99');
  assert.deepEqual([price.value, price.variant, price.reason], ['$1.99', 'treatment', 'TARGETING_MATCH']);
  assert.equal(client.getNumberValue('depth', 0), 3.5);
  assert.equal(client.getBooleanValue('shop', true), false);
  assert.deepEqual(client.getObjectValue('boat', {}), { speed: 2, name: 'Пила 🐟' });
  assert.equal(client.getStringDetails('none', 'default').errorCode, 'FLAG_NOT_FOUND');
  assert.equal(client.getStringDetails('depth', 'default').errorCode, 'TYPE_MISMATCH');

  await Web.setContext({ targetingKey: 'bob', build: '2.1.0' });
  assert.equal(client.getStringValue('price', '$9.99'), '$4.99');

  // It polls with its ETag until an operator changes something.
  await unchanged;
  const { promise: changed, resolve } = withResolvers();
  client.addHandler(ProviderEvents.ConfigurationChanged, resolve);
  await save('depth', { variants: { a: 4.25 }, defaultVariant: 'a' });
  assert.deepEqual((await changed).flagsChanged.includes('depth'), true);
  assert.equal(client.getNumberValue('depth', 0), 4.25);
  await Web.clearProviders();
});

test('the web provider: a context without a player, a wrong token', async () => {
  await Web.setContext('nobody', {});
  await assert.rejects(Web.setProviderAndWait('nobody', webProvider()), /targetingKey|TARGETING_KEY|targeting key|400/i);
  await Web.setContext('wrong', gold);
  await assert.rejects(Web.setProviderAndWait('wrong', webProvider({ headers: [['Authorization', 'Bearer x']] })));
  assert.equal(Web.getClient('wrong').getStringValue('price', '$9.99'), '$9.99');
  await Web.clearProviders();
});
