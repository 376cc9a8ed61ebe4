// A customer held back from billing runs, on a real Weir: placed once, told by the run, on record, and billed when it is released.
// And what the checks of customers hold: a subscription that is not activated, a record that waits at its connection.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import { until } from '../testing/engine-harness.js'

const generousMs = 300_000
const folder = mkdtempSync(join(tmpdir(), 'weir-holds-'))
const config = `connections:
  - { name: books, kind: file, folder: ${folder}, format: ndjson, records: batch_lines }
gates:
  rules:
    - { rule: kyc_start, gate: kyc, holds: [activation] }
    - { rule: aml_books, gate: aml, holds: [delivery], connections: [books] }
`
let weir: SupervisedWeir

async function call<T>(path: string, body?: unknown): Promise<{ readonly status: number; readonly body: T }> {
  const key = readFileSync(join(weir.dataDir, 'api-key'), 'utf8').trim()
  const response = await fetch(`${weir.url}${path}`, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as T }
}

interface Run {
  readonly billing_run_id: string
  readonly status: string
  readonly totals: readonly { readonly line_count: number }[]
  readonly held_back: readonly object[]
}

async function bill(request: object): Promise<Run> {
  const { body } = await call<Run>('/v1/billing-runs', request)
  let run = body
  await until(async () => {
    run = (await call<Run>(`/v1/billing-runs/${body.billing_run_id}`)).body
    return !['sealing', 'previewing'].includes(run.status)
  })
  return run
}

const charges = (run: Run) => run.totals.reduce((sum, one) => sum + one.line_count, 0)

function event(id: string, type: string, data: object, subject?: string): object {
  return { specversion: '1.0', source: 'crm', id, type, data, ...(subject === undefined ? {} : { subject }) }
}

function created(customer: string): object {
  const data = {
    ...{ subscription_id: `sub-${customer}`, customer_id: customer, sequence: 1, plan: 'pro' },
    ...{ entity_id: 'de', effective_from: '2026-01-01T00:00:00Z' },
  }
  return event(customer, 'weir.subscription.created', data, customer)
}

function told(customer: string, gate: string, status: string, day: string): object {
  const time = `2026-02-${day}T00:00:00Z`
  return {
    ...event(`${gate} ${day}`, 'weir.customer.status_changed', { gate, status }, customer),
    source: customer,
    time,
  }
}

beforeAll(async () => {
  writeFileSync(join(folder, 'weir.yaml'), config)
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: join(folder, 'weir.yaml') } })
  await weir.ready()
  const base = { price: 'base', kind: 'recurring', amount: '10', per: 'subscription', timing: 'in_advance' }
  const plan = { plan: 'pro', version: 1, currency: 'EUR', billing_period: 'month', prices: [base] }
  const catalog = event('catalog', 'weir.catalog.published', { catalog: { meters: [], plans: [plan] } })
  await call('/v1/events', [catalog, created('acme'), created('globex')])
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  rmSync(folder, { recursive: true, force: true })
}, generousMs)

test(
  'a customer that is held back is left out, told everywhere, and billed after its release with the dates of its own',
  async () => {
    const hold = { customer_id: 'acme', reason: 'disputes its usage' }
    await until(async () => (await call('/v1/billing-holds', hold)).status !== 404)
    expect(await call('/v1/billing-holds', { ...hold, reason: 'again' })).toMatchObject({
      status: 200,
      body: { reason: 'disputes its usage', released_at: null },
    })
    expect((await call('/v1/billing-holds', { ...hold, customer_id: 'acmee' })).status).toBe(404)
    expect((await call('/v1/billing-holds', { ...hold, subscription_id: 'sub-globex' })).status).toBe(404)

    const january = { cutoff: '2026-01-02T00:00:00Z' }
    const left = {
      ...{ customer_id: 'acme', subscription_id: null, entity_id: 'de', currency: 'EUR' },
      ...{ line_count: 1, amount_rounded: '10', first_date: '2026-01-01', last_date: '2026-01-01' },
    }
    const shown = await bill({ ...january, preview: true })
    expect([charges(shown), shown.held_back]).toEqual([1, [left]])
    const run = await bill(january)
    expect([run.status, charges(run), run.held_back]).toEqual(['published', 1, [left]])
    const notBilled = [{ ...left, billing_run_id: run.billing_run_id, cutoff: january.cutoff }]
    expect((await call('/v1/billing-holds')).body).toMatchObject({
      billing_holds: [hold],
      not_billed: notBilled,
    })
    expect((await call('/v1/reconciliation')).body).toMatchObject({ ok: true, not_billed: notBilled })

    const release = { customer_id: 'acme', reason: 'settled' }
    expect((await call('/v1/billing-holds/release', release)).status).toBe(200)
    expect((await call('/v1/billing-holds/release', release)).status).toBe(404)
    expect((await call('/v1/billing-holds')).body).toMatchObject({ billing_holds: [], not_billed: notBilled })
    const own = await bill({ ...january, customer_id: 'acme' })
    expect([charges(own), own.held_back]).toEqual([1, []])
    type Page = { readonly batches: readonly { readonly lines: readonly object[] }[] }
    const page = await call<Page>(`/v1/billing-runs/${own.billing_run_id}/batches`)
    expect(page.body.batches.flatMap(one => one.lines)).toMatchObject([
      { customer_id: 'acme', amount: '10', service_period: { from: '2026-01-01T00:00:00Z' } },
    ])
    expect((await call('/v1/billing-holds')).body).toEqual({ billing_holds: [], not_billed: [] })
    expect((await call('/v1/reconciliation')).body).toMatchObject({ ok: true, not_billed: [] })
    type Trail = { readonly entries: readonly { readonly act: string; readonly reason: string | null }[] }
    const { body } = await call<Trail>('/v1/audit?limit=100')
    const acts = body.entries.filter(one => one.act.startsWith('billing_hold.'))
    expect(acts.map(one => [one.act, one.reason]).sort()).toEqual([
      ['billing_hold.placed', 'disputes its usage'],
      ['billing_hold.released', 'settled'],
    ])
  },
  generousMs,
)

test(
  'a customer whose check is open is not activated, its records wait; both go on with the status, by its own time, in any order',
  async () => {
    interface One {
      readonly gates: readonly { readonly status: string }[]
      readonly held_deliveries: readonly object[]
    }
    const gateOf = async (customer: string) => (await call<One>(`/v1/gates/${customer}`)).body
    const stands = (customer: string, status: string) =>
      until(async () => (await gateOf(customer)).gates?.some(one => one.status === status) ?? false)
    const open = [told('initech', 'kyc', 'manual_review', '03'), told('hooli', 'aml', 'in_review', '03')]
    const odd = told('umbrella', 'kyb', 'half a tick', '03')
    await call('/v1/events', [created('initech'), created('hooli'), ...open, odd])
    for (const customer of ['initech', 'hooli']) await stands(customer, 'in_review')
    let minute = 10
    const next = () => ({ cutoff: `2026-01-03T00:${minute++}:00Z` }) // a run of one cutoff is one run
    const isWhole = (one: Run) => charges(one) === 1 && one.held_back.length === 1
    await until(async () => isWhole(await bill({ ...next(), preview: true }))) // when both subscriptions are there
    const run = await bill(next())
    expect(run.held_back).toMatchObject([{ customer_id: 'initech', subscription_id: null, line_count: 1 }])
    await until(async () => (await gateOf('hooli')).held_deliveries.length === 1)
    expect((await gateOf('hooli')).held_deliveries).toMatchObject([{ connection: 'books', records: 1 }])
    type Deliveries = { readonly deliveries: readonly { readonly state: string; readonly code: string }[] }
    const held = async (state: string) =>
      (await call<Deliveries>(`/v1/deliveries?state=${state}&customer=hooli`)).body.deliveries
    expect(await held('held')).toMatchObject([{ code: 'held_by_gate' }])

    // What was true before says nothing of now, whenever it comes.
    await call('/v1/events', [
      told('initech', 'kyc', 'approved', '01'),
      told('hooli', 'aml', 'approved', '04'),
    ])
    await until(async () => (await held('posted')).length === 1)
    await stands('initech', 'in_review')
    await call('/v1/events', [
      told('initech', 'kyc', 'approved', '05'),
      told('initech', 'kyc', 'expired', '06'),
    ])
    await stands('initech', 'expired')
    const own = await bill({ ...next(), customer_id: 'initech' })
    expect([charges(own), own.held_back]).toEqual([1, []])

    type Listed = { readonly exceptions: readonly { readonly code: string; readonly detail: string }[] }
    const exceptions = async () => (await call<Listed>('/v1/exceptions?kind=customer_status')).body.exceptions
    await until(async () => (await exceptions()).length === 1)
    expect(await exceptions()).toMatchObject([
      { code: 'unknown_status', detail: 'kyb of umbrella: half a tick' },
    ])
    const shown = await weir.run('gates', 'ls', '--held')
    expect(shown.stdout).toMatch(/umbrella +kyb +unknown +half a tick .* payout/)
    expect((await weir.run('gates', 'show', 'initech')).stdout).toContain(
      'activation is held: kyc of initech is expired',
    )
  },
  generousMs,
)
