// A charge that is billed in advance, as explain tells it from ClickHouse: schedule, releases, deliveries, and what is deferred.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { readChargeEvents } from './charge-events.js'
import { readLines } from './charge-rows.js'
import { printChargeEvents } from './print.js'
import { wordsOfRecognition } from './recognition.js'

let folder: string
let server: EmbeddedClickhouse
let clickhouse: ClickHouseClient

const charge = {
  ...{ charge_id: 'ch_1', customer_id: 'acme', subscription_id: 's1', currency: 'USD', entity_id: 'eu' },
  ...{ kind: 'recurring', timing: 'in_advance', price: 'base', billing_run_id: 'run_1', status: 'closed' },
  ...{
    amount: '120',
    amount_rounded: '120',
    period_from: '2026-01-01 00:00:00',
    period_until: '2026-05-01 00:00:00',
  },
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-recognition-'))
  await beginWithSchema(join(folder, 'clickhouse'))
  server = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  const config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  clickhouse = openClickHouse(config)
  const insert = (table: string, values: readonly object[]) =>
    clickhouse.insert({
      table,
      values,
      format: 'JSONEachRow',
      clickhouse_settings: { input_format_skip_unknown_fields: 1 },
    })
  const month = (n: number) => ({ part: n, month: `2026-0${n}-01`, amount: n === 4 ? '30.03' : '29.99' })
  const ofEntry = { charge_id: 'ch_1', entity_id: 'eu', currency: 'USD', billing_run_id: 'run_1' }
  await insert('charges', [charge, { ...charge, charge_id: 'ch_2', timing: 'in_arrears' }])
  await insert(
    'revenue_schedule',
    ['je_1', 'je_of_another'].flatMap(journal_id =>
      [1, 2, 3, 4].map(n => ({ ...ofEntry, journal_id, ...month(n) })),
    ),
  )
  const entry = (
    journal_id: string,
    kind: string,
    debit: string,
    credit: string,
    amount: string,
    rest = {},
  ) => [
    { ...ofEntry, journal_id, entry_kind: kind, account: debit, debit: amount, ...rest },
    { ...ofEntry, journal_id, entry_kind: kind, account: credit, credit: amount, ...rest },
  ]
  const release = (n: number, date: string) => ({
    ...{ releases_journal_id: 'je_1', releases_part: n, release_id: `rl_${n}`, accounting_date: date },
  })
  await insert('journal_entries', [
    ...entry('je_1', 'journal', '1200', '2400', '120', { accounting_date: '2026-01-01' }),
    ...entry('rel_1', 'release', '2400', '4000', '29.99', release(1, '2026-01-31')),
    ...entry('rel_2', 'release', '2400', '4000', '29.99', release(2, '2026-03-01')),
    ...entry('je_2', 'journal', '1200', '4000', '120', { charge_id: 'ch_2' }),
  ])
  const delivery = { connection: 'books', record_kind: 'release', state: 'posted', external_id: 'X-7' }
  await insert('deliveries', [
    { ...delivery, delivery_id: 'd1', record_id: 'rel_1', stream_sequence: 1 },
    {
      ...delivery,
      delivery_id: 'd2',
      record_id: 'rel_2',
      state: 'refused',
      code: 'period_closed',
      external_id: '',
    },
  ])
})

afterAll(async () => {
  await clickhouse?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a charge without events is told with its schedule, its releases and their deliveries, and what is still deferred', async () => {
  const told = await readChargeEvents(clickhouse, 'ch_1', 10, undefined)
  expect(told).toMatchObject({
    customer_id: 'acme',
    price: 'base',
    amount: '120',
    event_count: 0,
    events: [],
  })
  if (told === undefined || told === 'bad cursor') throw new Error('the charge is not known')
  const [line] = told.lines
  expect(line?.recognition).toMatchObject({
    ...{ deferred: '120', released: '59.98', remaining: '60.02' },
    months: [
      {
        ...{ part: 1, month: '2026-01-01', amount: '29.99' },
        release: {
          ...{ journal_id: 'rel_1', release_id: 'rl_1', accounting_date: '2026-01-31' },
          deliveries: [{ connection: 'books', state: 'posted', external_id: 'X-7' }],
        },
      },
      {
        part: 2,
        release: { journal_id: 'rel_2', deliveries: [{ state: 'refused', code: 'period_closed' }] },
      },
      { part: 3, month: '2026-03-01', amount: '29.99' },
      { part: 4, amount: '30.03' },
    ],
  })
  expect(line?.recognition?.months[2]).not.toHaveProperty('release')
  expect(wordsOfRecognition(line!.recognition!)).toBe(
    'Deferred 120 over 2026-01 to 2026-04; released 59.98: 29.99 of 2026-01 by rel_1 of 2026-01-31, 29.99 of 2026-02 by rel_2 of 2026-03-01; still deferred 60.02.',
  )
  const text = printChargeEvents(told)
  expect(text).toMatch(/^ch_1: base for acme, /)
  expect(text).toContain('deferred 120, released 59.98, still deferred 60.02')
  expect(text).toMatch(/2026-01 +29\.99 +released +2026-01-31 +rel_1 +books: posted as X-7/)
  expect(text).toMatch(/2026-04 +30\.03 +deferred/)
})

test('a charge in arrears defers nothing, and an unknown one is not known', async () => {
  const key = { ...charge, charge_id: 'ch_2', ledger_sequence: 0 }
  const [line] = (await readLines(clickhouse, [key])).get('ch_2') ?? []
  expect(line).toMatchObject({ journal: { journal_id: 'je_2' } })
  expect(line).not.toHaveProperty('recognition')
  expect(await readChargeEvents(clickhouse, 'ch_9', 10, undefined)).toBeUndefined()
})

test('a charge whose end was put off has the period of its newest row, and the events of all of it', async () => {
  const row = (id: string, until: string, sequence: number, amount: string) => ({
    ...{ event_source: '/app', event_id: id, event_time: `2026-03-${id} 12:00:00`, customer_id: 'acme' },
    ...{ subscription_id: 's1', price: 'calls', meter: 'calls', charge_id: 'ch_3', currency: 'USD' },
    ...{ period_from: '2026-03-01 00:00:00', period_until: until, quantity: amount, amount, event_count: 1 },
    ledger_sequence: sequence,
  })
  await clickhouse.insert({
    table: 'rated_usage',
    values: [row('10', '2026-03-15 00:00:00', 4, '2'), row('20', '2026-04-01 00:00:00', 9, '3')],
    format: 'JSONEachRow',
  })
  expect(await readChargeEvents(clickhouse, 'ch_3', 10, undefined)).toMatchObject({
    ...{ period_until: '2026-04-01T00:00:00Z', amount: '5', event_count: 2 },
    events: [{ event_id: '10' }, { event_id: '20' }],
  })
})
