// Tax in a running Weir, from the door to the books: what AvaTax answers becomes events, rows, and entries beside those of the charges;
// every delivery comes twice and one in the middle of a kill; what fails is an exception of finance; and damaged tables are filled again.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { placesIn } from '../../postings/tax-sink.js'
import { basicHeader } from '../basic-proof.js'
import { ApiFake } from '../testing/api-fake.js'
import { standardSamples } from '../testing/standard-samples.js'
import { line, refusal, sample, transaction } from './testing/avatax-samples.js'

const generousMs = 300_000
const waiting = { timeout: 120_000, interval: 100 }
const [secret] = standardSamples.secrets
/** What AvaTax has, by code. */
const documents = new Map<string, object>()
const api = new ApiFake(basicHeader('2000', 'key'), ({ pathname }) =>
  documents.get(/transactions\/([^/]+)$/.exec(pathname)?.[1] ?? ''),
)
let folder: string
let weir: SupervisedWeir
let apiKey: string
let clickhouse: ClickHouseClient

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-avatax-'))
  await api.open()
  const config = join(folder, 'weir.yaml')
  const login = `account_id: "2000", api_key: { variable: KEY }, api_url: "${api.url}"`
  await writeFile(
    config,
    `erp: { accounts: accounts.yaml }
sources:
  - { name: avatax, kind: avatax, company_code: DEFAULT, secrets: [ { variable: HOOK } ], ids: { customer: theirs }, ${login} }
`,
  )
  await writeFile(
    join(folder, 'accounts.yaml'),
    `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
tax:
  - match: {}
    accounts: { tax: "2210" }
`,
  )
  weir = await SupervisedWeir.start({
    env: { WEIR_PARTITIONS: '1', WEIR_CONFIG: config, HOOK: secret, KEY: 'key' },
  })
  await weir.ready()
  apiKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  clickhouse = openClickHouse(weir.clickhouse)
}, generousMs)

afterAll(async () => {
  await clickhouse?.close()
  await weir?.stop()
  await api.close()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function ask<T>(path: string, body?: object): Promise<T> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const answer = await fetch(`${weir.url}${path}`, { ...init, headers })
  const text = await answer.text()
  expect(answer.status, text).toBeLessThan(300)
  return JSON.parse(text) as T
}

async function rows<T = Record<string, unknown>>(query: string): Promise<T[]> {
  return (await clickhouse.query({ query, format: 'JSONEachRow' })).json<T>()
}

/** As the system that asks AvaTax sends it, twice. */
async function send(body: object): Promise<void> {
  const ofTransaction = 'customerCode' in body ? { ...body, customerCode: 'acme' } : body
  for (const id of ['once', 'twice']) {
    const { path: _, ...request } = standardSamples.request(
      { ...sample('', ofTransaction), id },
      secret,
      Date.now(),
    )
    const answer = await fetch(`${weir.url}/v1/webhooks/avatax`, { method: 'POST', ...request })
    expect(answer.status, await answer.text()).toBe(200)
  }
}

const charges: string[] = []
const jurisdiction = (name: string, rate: number, tax: number) => ({
  ...{ country: 'US', region: 'CA', jurisType: 'CTY', jurisName: name, rate, tax },
  ...{ taxableAmount: 100, exemptAmount: 0 },
})
const taxed = (at: number, amount: number, tax: number) => ({
  ...line,
  ...{ lineNumber: String(at + 1), ref1: charges[at], lineAmount: amount, tax },
  details: [jurisdiction('ALAMEDA', 0.0725, tax)],
})
const committed = (second: number, lines: object[], more: object = {}) =>
  transaction(second, { lines, customerCode: 'acme', ...more })

const exceptions = async () => {
  const path = '/v1/exceptions?kind=tax'
  const listed = await ask<{ exceptions: { exception_id: string; code: string; owner: string }[] }>(path)
  return listed.exceptions
}
const codes = async () => (await exceptions()).map(({ code, owner }) => `${code} ${owner}`)
/** What of taxes is in the books, by document, in the order of posting. */
const posted = async (document = 'INV-1') =>
  (
    await rows<{ text: string }>(
      `SELECT concat(toString(indexOf([${charges.map(id => `'${id}'`).join()}], charge_id)), ' ', toString(credit), ' ', toString(debit)) AS text
      FROM journal_entries WHERE role = 'tax' AND tax_document = '${document}' ORDER BY stream_sequence, line`,
    )
  ).map(({ text }) => text)

test(
  'a refusal is an exception of finance, freed by the transaction; each later state takes the place of the one before, once, through a kill',
  async () => {
    const price = (name: string, amount: string) => ({
      ...{ price: name, kind: 'recurring', amount, per: 'subscription', timing: 'in_advance' },
    })
    const prices = [price('base', '100.00'), price('support', '50.10')]
    const plan = { plan: 'pro', version: 1, currency: 'USD', billing_period: 'month', prices }
    const event = (id: string, type: string, data: object, subject = 'acme') => ({
      ...{ specversion: '1.0', source: 'test', id, type, data, subject },
    })
    await ask('/v1/events', [
      event('c', 'weir.catalog.published', { catalog: { plans: [plan] } }, 'catalog'),
      event('s', 'weir.subscription.created', {
        ...{ subscription_id: 's1', customer_id: 'acme', sequence: 1, plan: 'pro', plan_version: 1 },
        effective_from: '2026-10-01T00:00:00Z',
      }),
    ])
    await send({ ...refusal, request: { ...refusal.request, customerCode: 'acme' } })
    await expect.poll(codes, waiting).toEqual(['tax_failed finance'])
    await ask('/v1/billing-runs', { cutoff: '2026-10-15T00:00:00Z' })
    const ofCharges = `SELECT DISTINCT charge_id, price FROM journal_entries WHERE entry_kind = 'journal' ORDER BY price`
    await expect.poll(() => rows(ofCharges), waiting).toHaveLength(2)
    for (const { charge_id } of await rows<{ charge_id: string }>(ofCharges)) charges.push(charge_id)

    documents.set('INV-1', committed(1, [taxed(0, 100, 7.25), taxed(1, 50.1, 3.63)]))
    await send(committed(1, [], { lines: undefined })) // is read from AvaTax
    await expect.poll(posted, waiting).toEqual(['1 7.25 0', '2 3.63 0'])
    expect(api.asked).toHaveLength(1)
    await expect.poll(codes, waiting).toEqual([])

    await send(committed(3, [taxed(0, 100, 8)], { version: 2, adjustmentReason: 'PriceAdjusted' }))
    weir.kill('weir')
    await weir.ready()
    await clickhouse.close()
    clickhouse = openClickHouse(weir.clickhouse)
    const adjusted = ['1 7.25 0', '2 3.63 0', '1 0 7.25', '2 0 3.63', '1 8 0']
    await expect.poll(posted, waiting).toEqual(adjusted)
    await send(committed(2, [taxed(0, 100, 9)])) // an old state after a new one
    await send(committed(3, [taxed(0, 100, 8)], { version: 2, adjustmentReason: 'PriceAdjusted' }))

    const other = { code: 'INV-2', totalAmount: 99 }
    await send(committed(5, [taxed(1, 49, 3)], other))
    await expect.poll(codes, waiting).toEqual(['tax_amount_differs finance'])
    const [found] = await exceptions()
    await ask('/v1/exceptions/discard', { filter: { id: found!.exception_id }, reason: 'it was answered' })
    expect(await codes()).toEqual([])
    await send(committed(6, [taxed(1, 48, 3)], other)) // another state is another exception
    await expect.poll(codes, waiting).toEqual(['tax_amount_differs finance'])
    await send(committed(7, [taxed(1, 50.1, 3.63)], other))
    await expect.poll(() => posted('INV-2'), waiting).toEqual(['2 3.63 0'])
    await send(committed(8, [], { ...other, status: 'Cancelled' }))
    await expect.poll(() => posted('INV-2'), waiting).toEqual(['2 3.63 0', '2 0 3.63'])
    expect(await codes()).toEqual([])
    expect(await posted()).toEqual(adjusted)
  },
  generousMs,
)

test('a row for each state that was told, and a tax line with all that it is the tax of', async () => {
  const states = await rows<{ text: string }>(
    `SELECT concat(tax_id, ' ', status, ' ', toString(total_tax), ' ', code, ' ', toString(JSONLength(lines))) AS text FROM tax_transactions
    ORDER BY tax_id, sequence`,
  )
  const [one, two] = ['DEFAULT/SalesInvoice/INV-1', 'DEFAULT/SalesInvoice/INV-2']
  expect(states.map(({ text }) => text)).toEqual([
    `${one} failed 0 InvalidAddress 0`,
    `${one} committed 7.25  2`,
    `${one} committed 7.25  1`,
    `${one} adjusted 7.25  1`,
    ...[1, 2, 3].map(() => `${two} committed 7.25  1`),
    `${two} voided 7.25  0`,
  ])
  const [first] = await rows(
    `SELECT * FROM journal_entries WHERE role = 'tax' ORDER BY stream_sequence, line`,
  )
  expect(first).toMatchObject({
    ...{ account: '2210', charge_id: charges[0], customer_id: 'acme', entry_kind: 'tax', currency: 'USD' },
    ...{ tax_id: 'DEFAULT/SalesInvoice/INV-1', tax_document: 'INV-1', tax_document_status: 'Committed' },
    ...{ tax_code: 'SW054003', tax_jurisdiction: 'US-CA/ALAMEDA', tax_rate: '0.0725', taxable_amount: '100' },
  })
  const found = await placesIn(clickhouse)([
    ...charges,
    ...Array.from({ length: 1_000 }, (_, at) => `no_${at}`),
  ])
  const places = await rows<{ id: string; at: number }>(
    `SELECT charge_id AS id, toUInt32(max(stream_sequence)) AS at FROM journal_entries WHERE entry_kind = 'journal' GROUP BY id`,
  )
  expect([...found].sort()).toEqual(places.map(({ id, at }) => [id, at]).sort())
})

test(
  'tables of tax that were damaged are found and filled again, every column as it was',
  async () => {
    const failed = async () => {
      const { checks } = await ask<{
        checks: { check: string; ok: boolean; state: string; compared: number }[]
      }>('/v1/reconciliation')
      const taxes = checks.find(({ check }) => check === 'taxes_posted')
      expect(taxes?.compared).toBeGreaterThan(0)
      return checks.filter(({ ok, state }) => !ok && state !== 'not_checked').map(({ check }) => check)
    }
    const all = () =>
      Promise.all([
        rows('SELECT * FROM tax_transactions ORDER BY ledger_sequence, sequence, event_id'),
        rows('SELECT * FROM journal_entries ORDER BY stream_sequence, line'),
      ])
    const before = await all()
    const command = (query: string) =>
      clickhouse.command({ query, clickhouse_settings: { mutations_sync: '2' } })
    await command(`ALTER TABLE tax_transactions DELETE WHERE status = 'committed'`)
    await command(
      `ALTER TABLE journal_entries UPDATE tax_rate = 0, tax_jurisdiction = 'DE' WHERE role = 'tax'`,
    )
    expect(await failed()).toEqual(
      expect.arrayContaining(['table_tax_transactions', 'table_journal_entries']),
    )
    const tables = ['tax_transactions', 'journal_entries']
    const { stdout, stderr } = await weir.run('rebuild', 'clickhouse', '--table', ...tables, '--json')
    expect(JSON.parse(stdout), stderr).toMatchObject({ job: { state: 'done', failure: null } })
    expect(await all()).toEqual(before)
    expect(await failed()).toEqual([])
  },
  generousMs,
)
