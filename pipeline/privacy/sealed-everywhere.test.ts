// A running Weir on which fields are marked as personal: what was sent in the clear is nowhere on its disk, in no table, no
// answer and no log; the same events are still duplicates; by the command line values are revealed and customers erased, which
// changes no total.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { until } from '../testing/engine-harness.js'

const generousMs = 300_000
const email = 'ann.canary@example.com'
const card = '4111111111111111'
const clear = [email, card, '4111 1111 1111 1111', 'Canary Street 7']

let weir: SupervisedWeir
let apiKey: string
let database: ClickHouseClient

const catalog = {
  meters: [
    {
      meter: 'people',
      event_type: 'call',
      aggregation: 'unique_count',
      value: 'user.email',
      dimensions: ['user.email'],
    },
    { meter: 'calls', event_type: 'call', aggregation: 'count' },
  ],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'EUR',
      billing_period: 'month',
      prices: [
        { price: 'people', kind: 'usage', meter: 'people', model: 'per_unit', unit_amount: '3' },
        { price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '0.5' },
      ],
    },
  ],
}

const usage = (id: string, address: string) => ({
  specversion: '1.0',
  ...{ id, source: 's', type: 'call', subject: 'acme', time: '2026-01-05T00:00:00Z' },
  data: {
    user: { email: address, address: 'Canary Street 7' },
    pan: '4111 1111 1111 1111',
    passport: 'C01X00T47',
  },
})

const ours = (id: string, type: string, data: object) => ({
  specversion: '1.0',
  id,
  source: 's',
  type,
  subject: 'acme',
  data,
})

beforeAll(async () => {
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: await configFile() } })
  await weir.ready()
  apiKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  database = openClickHouse(weir.clickhouse)
  await send('/v1/events', [
    ours('cat', 'weir.catalog.published', { catalog }),
    ours('cus', 'weir.customer.upserted', { customer_id: 'acme', name: `Ann, card ${card}` }),
    ours('sub', 'weir.subscription.created', {
      ...{ subscription_id: 'sub', customer_id: 'acme', sequence: 1, plan: 'pro' },
      effective_from: '2026-01-01T00:00:00Z',
    }),
  ])
  const events = [
    usage('1', email),
    usage('2', email),
    usage('3', 'bob@example.com'),
    { ...usage('4', email), time: 'then' },
  ]
  await send('/v1/events', events)
  await send('/v1/events', events.slice(0, 2)) // duplicates
  await send('/v1/events', [{ ...usage('1', 'carol.canary@example.com') }]) // a conflict
  await until(
    async () =>
      (await rows<{ n: string }>('SELECT sum(received) AS n FROM event_dispositions'))[0]?.n === '9',
  )
}, generousMs)

afterAll(async () => {
  await database?.close()
  await weir?.stop()
}, generousMs)

async function configFile(): Promise<string> {
  const { mkdtemp } = await import('node:fs/promises')
  const folder = await mkdtemp(join((await import('node:os')).tmpdir(), 'weir-personal-'))
  const fields = [
    { event_type: 'call', path: 'user' },
    { event_type: 'call', path: 'pan', kind: 'card' },
    { event_type: '*', path: 'passport', kind: 'paper' },
  ]
  const file = join(folder, 'weir.json')
  await writeFile(file, JSON.stringify({ personal_data: { fields } }))
  return file
}

async function send<T>(path: string, body: unknown): Promise<T> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const response = await fetch(`${weir.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  expect(response.ok, `${path}: ${response.status}`).toBe(true)
  return (await response.json()) as T
}

async function rows<T>(query: string): Promise<T[]> {
  return (await database.query({ query, format: 'JSONEachRow' })).json<T>()
}

async function filesWith(texts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(weir.dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0)) // merged away meanwhile
    if (texts.some(text => bytes.includes(text))) found.push(entry.name)
  }
  return found
}

test('nothing that was sent in the clear is on the disk or in a table', async () => {
  expect(await filesWith([...clear, 'carol.canary'])).toEqual([])
  expect(await filesWith(['pd1.1.'])).not.toEqual([])
  const tables = await rows<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = 'weir' AND engine LIKE '%MergeTree'",
  )
  expect(tables.length).toBeGreaterThan(10)
  for (const { name } of tables) {
    const text = await (
      await database.query({ query: `SELECT * FROM ${name}`, format: 'JSONEachRow' })
    ).text()
    for (const one of [...clear, 'carol.canary']) expect([name, text.includes(one)]).toEqual([name, false])
  }
})

test('one value counts as one, and the same event sent again is a duplicate', async () => {
  const [sums] = await rows<Record<string, string>>(
    'SELECT sum(received) AS received, sum(rated) AS rated, sum(duplicate) AS duplicate, sum(conflicting) AS conflicting FROM event_dispositions',
  )
  expect(sums).toEqual({ received: '9', rated: '3', duplicate: '2', conflicting: '1' })
  expect(
    await rows(
      'SELECT price, toString(sum(amount)) AS amount FROM rated_usage GROUP BY price ORDER BY price',
    ),
  ).toEqual([
    { price: 'calls', amount: '1.5' },
    { price: 'people', amount: '6' },
  ])
})

test('a sealed value is shown to who may see it, and to nobody once the customer is erased; totals stay', async () => {
  const [{ value } = { value: '' }] = await rows<{ value: string }>(
    "SELECT value FROM rated_usage WHERE meter = 'people' AND event_id = '1'",
  )
  const ask = { customer_id: 'acme', values: [value, 'plain'], reason: 'case 1' }
  expect(await send('/v1/personal-data/reveal', ask)).toEqual({
    values: [
      { sealed: value, state: 'revealed', value: email },
      { sealed: 'plain', state: 'not_sealed', value: null },
    ],
  })
  expect(
    (await send<{ values: object[] }>('/v1/personal-data/reveal', { ...ask, customer_id: 'other' }))
      .values[0],
  ).toEqual({
    ...{ sealed: value, state: 'erased', value: null },
  })
  const before = await rows('SELECT toString(sum(amount)) AS total FROM rated_usage')
  const erase = (...args: string[]) => weir.run('erase', ...args, '--reason', 'asked for')
  const reveal = (...args: string[]) =>
    weir.run('reveal', 'acme', value, 'plain', '--reason', 'case 2', ...args)
  expect(await reveal()).toEqual({ code: 0, stdout: `"${email}"\nnot a sealed value\n`, stderr: '' })
  const { token } = await send<{ token: string }>('/v1/keys', { name: 'ops', scopes: ['operate', 'read'] })
  for (const refused of [await reveal('--api-key', token), await erase('acme', '--yes', '--api-key', token)])
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('scope') })
  const asked = await erase('acme')
  expect(asked).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('Repeat the command with --yes'),
  })
  expect(JSON.parse((await reveal('--json')).stdout).values[0]).toMatchObject({
    state: 'revealed',
    value: email,
  })

  const nobody = await erase('nobody', '--yes')
  expect(nobody).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing of nobody was sealed') })
  const erased = JSON.parse((await erase('acme', '--yes', '--json')).stdout)
  expect(erased).toMatchObject({ customer_id: 'acme', generation: 1, was_erased: false })
  const again = await erase('acme', '--yes')
  expect(again).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`was destroyed before, at ${erased.erased_at}`),
  })
  expect((await reveal()).stdout).toBe('erased: its key is destroyed\nnot a sealed value\n')
  expect((await send<{ values: object[] }>('/v1/personal-data/reveal', ask)).values[0]).toMatchObject({
    state: 'erased',
  })
  expect(await rows('SELECT toString(sum(amount)) AS total FROM rated_usage')).toEqual(before)
})
