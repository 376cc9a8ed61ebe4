// A customer held back from billing runs, on a real Weir: placed once, told by the run, on record, and billed when it is released.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import { until } from '../testing/engine-harness.js'

const generousMs = 300_000
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

beforeAll(async () => {
  weir = await SupervisedWeir.start()
  await weir.ready()
  const base = { price: 'base', kind: 'recurring', amount: '10', per: 'subscription', timing: 'in_advance' }
  const plan = { plan: 'pro', version: 1, currency: 'EUR', billing_period: 'month', prices: [base] }
  const created = (customer: string) =>
    event(
      customer,
      'weir.subscription.created',
      {
        ...{ subscription_id: `sub-${customer}`, customer_id: customer, sequence: 1, plan: 'pro' },
        ...{ entity_id: 'de', effective_from: '2026-01-01T00:00:00Z' },
      },
      customer,
    )
  const catalog = event('catalog', 'weir.catalog.published', { catalog: { meters: [], plans: [plan] } })
  await call('/v1/events', [catalog, created('acme'), created('globex')])
}, generousMs)

afterAll(async () => {
  await weir?.stop()
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
