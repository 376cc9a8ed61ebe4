// Reading an API: servers on loopback that page as Stripe, Lago and OpenMeter do, with limits, refusals and dropped connections.

import { readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readExport } from '../export-files.js'
import { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import { parsePeriod } from '../period.js'
import { systems } from '../systems.js'
import { lagoAccount, lagoFiles } from '../testing/lago-account.js'
import { events, plan, subscription } from '../testing/openmeter-account.js'
import { equalAccount } from '../testing/stripe-account.js'
import { downloadAll } from './download.js'

type Row = Readonly<Record<string, unknown>>
/** Answers a path and query; undefined: 404. */
type Fake = (path: string, query: URLSearchParams) => unknown

let server: Server
let folder: string
let fake: Fake
let asked: string[]
/** What goes wrong with the request of that number. */
let trouble: ReadonlyMap<number, 'drop' | 'limit'>
let waited: number[]

beforeEach(async () => {
  ;[asked, waited, trouble] = [[], [], new Map()]
  folder = join(tmpdir(), `weir-import-${process.pid}-${Math.floor(performance.now() * 1000)}`)
  server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await new Promise(resolve => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '', 'http://fake')
  asked.push(`${url.pathname}${url.search}`)
  const wrong = trouble.get(asked.length)
  if (request.headers.authorization !== 'Bearer secret-key') response.writeHead(401).end('{"error":"no"}')
  else if (wrong === 'limit') response.writeHead(429, { 'retry-after': '7' }).end('{}')
  else if (wrong === 'drop') {
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' })
      .write('{"data":[')
    setImmediate(() => response.destroy())
  } else {
    const found = fake(url.pathname, url.searchParams)
    response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? {}))
  }
}

function read(system: ForeignSystem, key = 'secret-key'): Promise<void> {
  const { port } = server.address() as AddressInfo
  return downloadAll({
    ...{ baseUrl: `http://127.0.0.1:${port}`, key, folder, period: parsePeriod('2026-10')!, system },
    progress: { step: () => ({ advance() {}, done() {} }), notice() {} },
    nowMs: () => Date.UTC(2026, 10, 3),
    pause: async ms => void waited.push(ms),
  })
}

async function counts(system: ForeignSystem): Promise<Record<string, number>> {
  const findings = new Findings()
  const objects = await readExport([folder], system.kinds, findings)
  expect(findings.all).toEqual([])
  return Object.fromEntries([...objects].map(([kind, all]) => [kind, all.length]))
}

/** Pages of two, after the object that is named, as Stripe has them. */
function stripeFake(): Fake {
  const account = equalAccount()
  const summary = {
    id: 'sum',
    object: 'billing.meter_event_summary',
    aggregated_value: 5,
    start_time: 1_790_812_800,
    end_time: 1_790_816_400,
    meter: 'mtr_tokens',
  }
  const lists: Readonly<Record<string, readonly object[]>> = {
    '/v1/customers': account.customers,
    '/v1/products': [],
    '/v1/prices': account.prices,
    '/v1/billing/meters': account.meters,
    '/v1/subscriptions': account.subscriptions,
    '/v1/invoices': account.invoices,
    '/v1/billing/meters/mtr_tokens/event_summaries': [summary],
    '/v1/billing/meters/mtr_calls/event_summaries': [],
  }
  return (path, query) => {
    const all = lists[path] as readonly Row[] | undefined
    if (all === undefined) return undefined
    const from = all.findIndex(one => one['id'] === query.get('starting_after')) + 1
    return { object: 'list', data: all.slice(from, from + 2), has_more: from + 2 < all.length }
  }
}

const stripeCounts = { customer: 2, price: 4, meter: 2, subscription: 1, invoice: 2, meter_event_summary: 1 }

test('pages of Stripe are followed to the last, and a limit is waited for as long as it says', async () => {
  fake = stripeFake()
  trouble = new Map([[2, 'limit']])
  await read(systems.stripe)
  expect(await counts(systems.stripe)).toEqual(stripeCounts)
  expect(waited).toEqual([7_000])
  expect(asked.filter(path => path.startsWith('/v1/prices'))).toHaveLength(2)
  const [summary] = (await readdir(folder)).filter(name => name.startsWith('meter_event_summary'))
  const texts = await Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))
  expect(summary).toBeDefined()
  expect(texts.some(text => text.includes('"customer":"cus_ada"') && text.includes('aggregated_value'))).toBe(
    true,
  )
  expect(texts.some(text => text.includes('secret-key'))).toBe(false)
})

test('what was cut off goes on with the page that is missing', async () => {
  fake = stripeFake()
  // The second page of prices breaks off six times: the command gives up.
  trouble = new Map(Array.from({ length: 6 }, (_, at) => [at + 4, 'drop' as const]))
  await expect(read(systems.stripe)).rejects.toThrow(/no_answer: v1\/prices.*Run the same command again/)
  const before = asked.length
  await read(systems.stripe)
  expect(asked.slice(before).filter(path => /customers|products/.test(path))).toEqual([])
  expect(asked[before]).toContain('starting_after')
  expect(await counts(systems.stripe)).toEqual(stripeCounts)
  const whole = asked.length
  await read(systems.stripe)
  expect(asked).toHaveLength(whole)
})

test('a key that is refused is told at once, and another period does not mix with what was read', async () => {
  fake = stripeFake()
  await expect(read(systems.stripe, 'other')).rejects.toThrow(/credentials_refused/)
  expect(waited).toEqual([])
  await read(systems.stripe)
  await expect(read(systems.lago)).rejects.toThrow(/other_download/)
})

test('pages of Lago are followed by meta.next_page', async () => {
  const files = lagoFiles(lagoAccount)
  const held = (name: string, key: string) =>
    (JSON.parse(files.get(name)!) as Record<string, readonly object[]>)[key]!
  const lists: Readonly<Record<string, readonly object[]>> = {
    customers: held('1.json', 'customers'),
    billable_metrics: held('2.json', 'billable_metrics'),
    plans: held('3.json', 'plans'),
    subscriptions: held('4.json', 'subscriptions'),
    events: lagoAccount.events,
    fees: lagoAccount.fees,
    invoices: [],
  }
  fake = (path, query) => {
    const name = path.replace('/api/v1/', '')
    const all = name === 'subscriptions' && query.get('status[]') !== 'active' ? [] : lists[name]
    const page = Number(query.get('page'))
    const pages = Math.max(1, Math.ceil((all?.length ?? 0) / 3))
    const meta = { current_page: page, next_page: page < pages ? page + 1 : null, total_pages: pages }
    return all === undefined ? undefined : { [name]: all.slice(page * 3 - 3, page * 3), meta }
  }
  await read(systems.lago)
  expect(await counts(systems.lago)).toEqual({
    customer: 1,
    billable_metric: 6,
    plan: 1,
    subscription: 1,
    event: 7,
    fee: 7,
  })
})

test('pages of OpenMeter are followed by number and by cursor, and subscriptions are read one by one', async () => {
  fake = (path, query) => {
    const page = (items: readonly object[]) => ({
      items,
      totalCount: items.length,
      page: Number(query.get('page')),
      pageSize: 100,
    })
    if (path === '/api/v1/customers') return page([{ id: 'cust-01', key: 'acme', name: 'Acme' }])
    if (path === '/api/v1/meters' || path === '/api/v1/features') return []
    if (path === '/api/v1/plans') return page([plan])
    if (path === '/api/v1/billing/invoices') return page([])
    if (path === '/api/v1/customers/cust-01/subscriptions') return page([{ id: 'sub-01' }])
    if (path === '/api/v1/subscriptions/sub-01') return subscription
    const from = Number(query.get('cursor') ?? '0')
    const next = from + 5 < events.length ? { nextCursor: String(from + 5) } : {}
    return path === '/api/v2/events' ? { items: events.slice(from, from + 5), ...next } : undefined
  }
  await read(systems.openmeter)
  expect(await counts(systems.openmeter)).toEqual({
    customer: 1,
    plan: 1,
    event: 13,
    subscription: 1,
    subscription_id: 1,
  })
})
