// The commands on files and a gateway that plays the running Weir: what is told, sent and refused, and with which exit code.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { catalogToWire, mergeCatalogs, parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { applyCommand } from './apply-command.js'
import { diffCommand } from './diff-command.js'

const meters = 'meters:\n  - { meter: tokens, event_type: llm.request, aggregation: sum, value: tokens }\n'
const plan = (version: number, amount: string) => `plans:
  - plan: pro
    version: ${version}
    currency: USD
    billing_period: month
    prices:
      - { price: base, kind: recurring, amount: "${amount}", per: subscription, timing: in_arrears }
      - { price: tokens, kind: usage, meter: tokens, model: per_unit, unit_amount: "0.01" }
`
const event = (id: string, type: string, time: string, data: object) =>
  JSON.stringify({ specversion: '1.0', id, source: '/t', type, subject: 'acme', time, data })
const october = [
  event('c', 'weir.subscription.created', '2026-10-01T00:00:00Z', {
    ...{ subscription_id: 's', customer_id: 'acme', sequence: 1, plan: 'pro', plan_version: 1 },
    effective_from: '2026-10-01T00:00:00Z',
  }),
  event('u', 'llm.request', '2026-10-05T00:00:00Z', { tokens: 250 }),
  event('v', 'llm.request', '2026-11-05T00:00:00Z', { tokens: 70 }),
].join('\n')

let folder: string
let out: string
let err: string
let server: Server
let catalog: Catalog
let sent: string[]
/** What another one publishes between the reading and the sending. */
let meanwhile: string | undefined

const io = (isTTY = false) => ({
  stdout: {
    write(text: string) {
      out += text
    },
  },
  stderr: {
    write(text: string) {
      err += text
    },
  },
  isTTY,
})

function play(request: IncomingMessage, response: ServerResponse): void {
  let body = ''
  request.on('data', chunk => (body += chunk))
  request.on('end', () => {
    response.setHeader('content-type', 'application/json')
    if (request.url === '/v1/catalog') {
      response.end(JSON.stringify({ catalog: catalogToWire(catalog), catalog_hash: '' }))
      return
    }
    if (meanwhile !== undefined) publish(JSON.parse(meanwhile))
    sent.push(body)
    publish(JSON.parse(body).data.catalog)
    response.statusCode = 202
    response.end(JSON.stringify({ accepted: 1, rejected: [] }))
  })
}

function publish(value: unknown): void {
  const parsed = parseCatalogValue(value, 'part')
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed.problems))
  const merged = mergeCatalogs(catalog, parsed.catalog)
  if (merged.kind === 'ok') catalog = merged.catalog
}

beforeEach(async () => {
  ;[out, err, sent, meanwhile] = ['', '', [], undefined]
  catalog = { meters: [], plans: [] }
  folder = await mkdtemp(join(tmpdir(), 'weir-catalog-'))
  await write('meters.yaml', meters)
  await write('v1.yaml', plan(1, '99'))
  await write('v2.yaml', plan(2, '79'))
  await write('october.ndjson', october)
  server = createServer(play).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
})

afterEach(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
const write = (name: string, text: string) => writeFile(at(name), text)
const gateway = async () => ({
  url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  apiKey: undefined,
})
const apply = (files: string[], more: object = {}, isTTY = false) =>
  applyCommand({ files: files.map(at), gateway, json: false, yes: true, ...more }, io(isTTY))
const diff = (files: string[], more: object = {}) =>
  diffCommand({ files: files.map(at), gateway, json: false, ...more }, io())

test('apply publishes what is new in one event, and does nothing the second time', async () => {
  expect(await apply(['v1.yaml', 'meters.yaml'])).toBe(0)
  expect(out).toContain('Published: meter tokens, plan pro version 1.')
  expect(await apply(['v1.yaml', 'meters.yaml'])).toBe(0)
  expect(out).toContain('Nothing to do.')
  expect(await apply(['v1.yaml', 'v2.yaml', 'meters.yaml'])).toBe(0)
  const published = sent.map(text => JSON.parse(text).data.catalog)
  expect(
    published.map(one => [one.meters.length, one.plans.map((p: { version: number }) => p.version)]),
  ).toEqual([
    [1, [1]],
    [0, [2]],
  ])
})

test('nothing is sent while one thing of the files would change what is published', async () => {
  await apply(['v1.yaml', 'meters.yaml'])
  await write('both.yaml', `${plan(1, '98')}${plan(2, '79').replace('plans:\n', '')}`)
  expect(await apply(['both.yaml'])).toBe(78)
  expect(err).toContain(
    `${at('both.yaml')}:2: Version 1 of the plan pro is published with other content. Raise its version, to 3. (conflicting_catalog)`,
  )
  expect(out).toContain('~ prices/base/amount: "99" -> "98"')
  expect(sent.length).toBe(1)
})

test('without a yes nothing is sent: none is asked for where there is no terminal', async () => {
  expect(await apply(['v1.yaml', 'meters.yaml'], { yes: false })).toBe(2)
  expect(await apply(['v1.yaml', 'meters.yaml'], { yes: false, ask: async () => false }, true)).toBe(2)
  expect(sent).toEqual([])
  const questions: string[] = []
  const ask = async (question: string) => questions.push(question) > 0
  expect(await apply(['v1.yaml', 'meters.yaml'], { yes: false, ask }, true)).toBe(0)
  expect(questions).toEqual(['Publish 2? What is published never changes. [yes/no] '])
})

test('what somebody else publishes meanwhile under the same version is told, and nothing of the files is published', async () => {
  await apply(['meters.yaml'])
  meanwhile = JSON.stringify({
    plans: JSON.parse(JSON.stringify(catalogToWire(planOf(plan(1, '55'))).plans)),
  })
  expect(await apply(['v1.yaml'])).toBe(1)
  expect(err).toContain('Nothing was published. conflicting_catalog: Version 1 of the plan pro')
})

function planOf(text: string): Catalog {
  const base = { price: 'base', kind: 'recurring', per: 'subscription', timing: 'in_arrears' }
  const amount = /amount: "(\d+)"/.exec(text)![1]
  const value = {
    plan: 'pro',
    version: 1,
    currency: 'USD',
    billing_period: 'month',
    prices: [{ ...base, amount }],
  }
  const parsed = parseCatalogValue({ plans: [value] }, 'part')
  if (parsed.kind !== 'ok') throw new Error('a plan')
  return parsed.catalog
}

test('diff on events from files tells each customer before and after, of the month that is asked', async () => {
  const catalogs = [at('meters.yaml'), at('v1.yaml')]
  const asked = { catalog: catalogs, events: [at('october.ndjson')], month: '2026-10' }
  expect(await diff(['v2.yaml'], { ...asked, json: true })).toBe(0)
  const told = JSON.parse(out)
  expect(told.totals).toMatchObject([
    {
      currency: 'USD',
      charges: 2,
      changed: 1,
      amount_before: '101.5',
      amount_after: '81.5',
      amount_change: '-20',
    },
  ])
  expect(told.customers).toMatchObject([{ customer_id: 'acme', amount_rounded_before: '101.5' }])
  expect(told.mrr).toEqual([
    { customer_id: 'acme', currency: 'USD', mrr_before: '99', mrr_after: '79', mrr_change: '-20' },
  ])
  expect([told.changes.length, told.subscriptions_changed]).toEqual([1, 1])
})

test('diff says why there is no money to compare, and refuses what publishing would refuse', async () => {
  await write('coupon.yaml', 'coupons:\n  - { code: TEN, percent_off: "10" }\n')
  await write('wrong.yaml', plan(1, '98'))
  const against = { catalog: [at('meters.yaml'), at('v1.yaml')] }
  expect(await diff(['coupon.yaml'], against)).toBe(0)
  expect(out).toContain('No plan gets new terms')
  expect(await diff(['v2.yaml'], against)).toBe(0)
  expect(out).toContain('give --events FILE')
  expect(await diff(['wrong.yaml'], against)).toBe(78)
  expect(await diff(['v2.yaml'], { ...against, month: '2026-13' })).toBe(2)
  expect(await diff(['v1.yaml', 'meters.yaml'])).toBe(0)
  expect(out).toContain('Nobody has the new plans yet')
})
