// Whose an event is: by the rule of the settings, and from the tables of a real ClickHouse.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { Customers, ownersIn } from './customers.js'
import { customersIn } from './stripe/adjustment.js'
import { ToldBefore, takenIn } from './told-before.js'
import type { NamedCustomer } from './usage-event.js'

let dataDir: string
let server: EmbeddedClickhouse
let queries: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-producers-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  queries = openClickHouse(config)
  const insert = (table: string, values: readonly object[]) =>
    queries.insert({ table, values, format: 'JSONEachRow' })
  const version = (subscription_id: string, customer_id: string, sequence: number) => ({
    ...{ subscription_id, customer_id, sequence, effective_from: '2026-01-01 00:00:00' },
  })
  await insert('subscription_versions', [
    version("s'1", 'acme', 1),
    version("s'1", 'acme', 2),
    version('two', 'acme', 1),
    version('two', 'other', 1),
  ])
  const of = (event_id: string, customer_id: string) => ({ event_source: 'stripe', event_id, customer_id })
  await insert('rated_usage', [of('rated', 'acme'), of('rated', 'acme')])
  await insert('event_outcomes', [of('waits', 'other'), of('rated', 'acme'), of('twice', 'a')])
  await insert('event_outcomes', [of('twice', 'b')])
})

afterAll(async () => {
  await queries?.close()
  await server?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

test('a subscription tells its customer, unless nobody or several have it', async () => {
  expect(await ownersIn(queries)(['none', "s'1", 'two', "s'1"])).toEqual([
    undefined,
    'acme',
    undefined,
    'acme',
  ])
})

test('an event tells its customer, rated or waiting; one of two customers tells both', async () => {
  const of = customersIn(queries)
  expect(await of('stripe', 'rated')).toEqual(['acme'])
  expect(await of('stripe', 'waits')).toEqual(['other'])
  expect(await of('other', 'rated')).toEqual([])
  expect([...(await of('stripe', 'twice'))].sort()).toEqual(['a', 'b'])
})

test('events that were taken are found under their customers, rated or waiting, and no others', async () => {
  const rows = await takenIn(queries)('stripe', ['rated', 'waits', 'twice', 'none'], ['acme', 'other', 'b'])
  expect(rows.map(({ id, customer }) => `${id} ${customer}`).sort()).toEqual([
    'rated acme',
    'twice b',
    'waits other',
  ])
  expect(await takenIn(queries)('orb', ['rated'], ['acme'])).toEqual([])
})

test('what the table says is remembered for a minute; whom nobody knows is asked again, and is never one of ours', async () => {
  let nowMs = 0
  const table = new Map([['cus_1', 'acme']])
  const asked: string[] = []
  const rulesOf = (customers: 'as_is' | 'table') => ({
    name: 'stripe' as const,
    settings: { customers, system: 'billing' },
    identities: {
      ours: async (all: readonly { readonly system: string; readonly id: string }[]) =>
        all.map(({ system, id }) => {
          asked.push(`${system} ${id}`)
          return table.get(id)
        }),
      ever: async (all: readonly { readonly id: string }[]) =>
        all.map(({ id }) => [table.get(id) ?? []].flat()),
    },
    owners: ownersIn(queries),
    toldBefore: new ToldBefore({
      source: 'stripe',
      ...{ takenUnder: neverAsked, caughtUp: neverAsked, nowMs: () => nowMs },
    }),
    nowMs: () => nowMs,
  })
  const neverAsked = (): never => expect.unreachable()
  const of = (customer: NamedCustomer) => ({ id: 'e', customer })
  const theirs = (id: string) => of({ id, as: 'theirs' })
  const customers = new Customers(rulesOf('table'))
  const named = [theirs('cus_1'), of({ id: 'cus_1', as: 'ours' }), theirs('cus_2'), theirs('cus_1')]
  expect(await customers.ours(named)).toEqual(['acme', 'cus_1', 'stripe:cus_2', 'acme'])
  table.set('cus_2', 'beta')
  expect(await customers.ours([theirs('cus_2'), theirs('cus_1')])).toEqual(['beta', 'acme'])
  expect(asked).toEqual(['billing cus_1', 'billing cus_2', 'billing cus_2'])
  nowMs = 60_000
  await customers.ours([theirs('cus_1')])
  expect(asked.length).toBe(4)
  expect(await new Customers(rulesOf('as_is')).ours(named)).toEqual(['cus_1', 'cus_1', 'cus_2', 'cus_1'])
  expect(asked.length).toBe(4)
})
