// Approvals in a whole Weir: batches that rules hold are not published before a second person releases them, and then once,
// also when the process is killed in the middle of the approval; so are single deliveries; red flags are listed.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { Approval } from '../../schemas/approvals/approval.js'
import type { AuditVerification } from '../audit/verify.js'
import { readStretch } from '../broker/read-stream.js'

const generousMs = 300_000
const waiting = { timeout: 60_000, interval: 50 }
const configuration = `approvals:
  rules:
    - { rule: jump, holds: [billing_batch], spike: { times: "3", periods: 2 } }
    - { rule: no_invoice, holds: [credit], reversal_without_invoice: true }
    - { rule: sourced, holds: [billing_batch], missing_source: true }
    - { rule: mends, holds: [redrive], amount: { at_least: "1", currency: USD } }
    - { rule: out, holds: [delivery], connections: [lines], amount: { at_least: "31", currency: USD } }
    - { rule: back, holds: [delivery], customers: [acme], reversal_without_invoice: true }
    - { rule: lost, holds: [delivery], missing_source: true }
connections:
  - { name: lines, kind: file, folder: lines, format: csv, records: batch_lines }
`

let weir: SupervisedWeir
let folder: string
let adminKey: string
let asker: string
let second: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-approvals-'))
  await writeFile(join(folder, 'weir.yaml'), configuration)
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: join(folder, 'weir.yaml') } })
  await weir.ready()
  adminKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  asker = await keyWith('billing', 'approve', 'operate', 'read')
  second = await keyWith('approve')
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function ask<T>(method: string, path: string, body?: object, token = adminKey): Promise<T> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const answer = await fetch(`${weir.url}${path}`, { method, headers, body: JSON.stringify(body) ?? null })
  return JSON.parse(await answer.text()) as T
}

async function keyWith(...scopes: string[]): Promise<string> {
  return (await ask<{ token: string }>('POST', '/v1/keys', { name: scopes.join(), scopes })).token
}

const event = (type: string, id: string, data: object, more: object = {}) => ({
  ...{ specversion: '1.0', source: 'test', id, type, subject: 'acme', data },
  ...more,
})
const catalog = {
  meters: [{ meter: 'calls', event_type: 'call', aggregation: 'count' }],
  plans: [
    {
      ...{ plan: 'pro', version: 1, currency: 'USD', billing_period: 'month' },
      prices: [{ price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '1' }],
    },
  ],
}
const subscription = {
  ...{ subscription_id: 's1', customer_id: 'acme', sequence: 1, plan: 'pro', plan_version: 1 },
  effective_from: '2026-01-01T00:00:00Z',
}
const calls = (month: string, count: number) =>
  Array.from({ length: count }, (_, n) =>
    event('call', `${month}-${n}`, {}, { time: `2026-${month}-02T00:00:00Z` }),
  )

interface Run {
  readonly billing_run_id: string
  readonly status: string
}

interface Page {
  readonly batches: readonly { readonly batch_id: string }[]
  readonly held_batches: readonly {
    readonly batch_id: string
    readonly approval_id: string
    readonly state: string
  }[]
}

async function run(cutoff: string, status: string, idempotencyKey: string): Promise<string> {
  const headers = {
    ...{ 'content-type': 'application/json', authorization: `Bearer ${asker}` },
    'idempotency-key': idempotencyKey,
  }
  const init = { method: 'POST', headers, body: JSON.stringify({ cutoff }) }
  const made = (await (await fetch(`${weir.url}/v1/billing-runs`, init)).json()) as Run
  await expect.poll(() => statusOf(made.billing_run_id), waiting).toBe(status)
  return made.billing_run_id
}

const statusOf = async (id: string) => (await ask<Run>('GET', `/v1/billing-runs/${id}`)).status
const pageOf = (id: string) => ask<Page>('GET', `/v1/billing-runs/${id}/batches`)

/** How often each batch lies in BILLING. */
async function published(): Promise<readonly string[]> {
  const nc = await connect(weir.nats)
  const found: string[] = []
  const stretch = { stream: 'BILLING', filterSubject: 'billing.>', from: 1 }
  for await (const message of readStretch(jetstream(nc), stretch, new AbortController().signal))
    found.push(message.headers?.get('weir-batch') ?? '')
  await nc.close()
  return found
}

test(
  'a batch that jumps waits for a second person, goes out once although the process is killed, and nothing is missing',
  async () => {
    await ask('POST', '/v1/events', [
      event('weir.catalog.published', 'c', { catalog }, { subject: undefined }),
      event('weir.subscription.created', 's', subscription),
      ...calls('01', 10),
      ...calls('02', 31),
    ])
    const january = await run('2026-02-01T00:00:00Z', 'published', 'jan')
    const february = await run('2026-03-01T00:00:00Z', 'held', 'feb')
    const page = await pageOf(february)
    expect(page).toMatchObject({ batches: [], held_batches: [{ state: 'waiting' }] })
    const { batch_id, approval_id: id } = page.held_batches[0]!
    const free = (await pageOf(january)).batches.map(one => one.batch_id)
    expect(await published()).toEqual(free)
    const held = await ask<Approval>('GET', `/v1/approvals/${id}`)
    expect(held.rules.map(({ rule }) => rule)).toEqual(['jump'])
    expect(held.facts.customers).toMatchObject([{ customer_id: 'acme', amount: '31', previous: ['10'] }])
    expect(held.evidence).toMatchObject({
      billing_run_id: february,
      amount_rounded_total: '31',
      line_count: 1,
    })
    await expect.poll(() => ask('GET', '/v1/reconciliation'), waiting).toMatchObject({ ok: true }) // held, not missing

    const approve = `/v1/approvals/${id}/approve`
    expect(await ask('POST', approve, {}, asker)).toMatchObject({ code: 'own_request' })
    const cut = ask('POST', approve, { reason: 'new product' }, second).catch(() => undefined)
    await expect.poll(async () => (await acts()).includes('approval.approved'), waiting).toBe(true)
    weir.kill('weir')
    await cut
    await weir.ready()
    expect(await ask('POST', approve, { reason: 'new product' }, second)).toMatchObject({ state: 'approved' })
    await expect.poll(() => statusOf(february), waiting).toBe('published')
    expect(await published()).toEqual([...free, batch_id])
    expect(await pageOf(february)).toMatchObject({ batches: [{ batch_id }], held_batches: [] })
  },
  generousMs,
)

async function acts(): Promise<string[]> {
  const answer = await ask<{ entries?: { act: string }[] }>('GET', '/v1/audit?act=approval.*')
  return (answer.entries ?? []).map(({ act }) => act)
}

test(
  'a credit without an invoice is held and rejected for good; repeated collisions are a red flag; all is on record',
  async () => {
    const before = await published()
    await ask('POST', '/v1/events', [
      event('weir.usage.retracted', 'r', { event_source: 'test', event_id: '01-0' }),
      ...calls('01', 5).map(one => ({ ...one, data: { other: true } })),
    ])
    await expect
      .poll(() => ask('GET', '/v1/red-flags'), waiting)
      .toMatchObject({ red_flags: [{ flag: 'repeated_collisions', object_id: 'test', customer_id: 'acme' }] })
    const credits = await run('2026-03-01T00:00:00Z', 'held', 'credits')
    const [held] = (await pageOf(credits)).held_batches
    const approval = await ask<Approval>('GET', `/v1/approvals/${held!.approval_id}`)
    expect(approval.rules.map(({ rule }) => rule)).toEqual(['no_invoice'])
    expect(approval.facts.credits).toMatchObject([{ amount: '-1', has_invoice: false }])
    const reject = `/v1/approvals/${held!.approval_id}/reject`
    expect(await ask('POST', reject, { reason: 'no invoice yet' }, second)).toMatchObject({
      state: 'rejected',
    })
    await expect
      .poll(async () => (await pageOf(credits)).held_batches, waiting)
      .toMatchObject([{ state: 'rejected' }])
    expect(await published()).toEqual(before)
    expect(await ask<AuditVerification>('GET', '/v1/audit/verification')).toMatchObject({ ok: true })
    await expect
      .poll(async () => [...new Set(await acts())].toSorted(), waiting)
      .toEqual(['approval.approved', 'approval.rejected', 'approval.requested'])
  },
  generousMs,
)

test(
  'a redrive whose money is not known waits for a second person, and publishes nothing before',
  async () => {
    await ask('POST', '/v1/events', [
      event('call', 'lost', {}, { subject: 'acmee', time: '2026-04-02T00:00:00Z' }),
    ])
    type Job = { readonly state: string; readonly approval_id: string | null; readonly counts: object }
    const open = () => ask<{ exceptions: object[] }>('GET', '/v1/exceptions?kind=parked')
    await expect.poll(async () => (await open()).exceptions.length, waiting).toBe(1)
    const mend = { filter: { kind: 'parked' }, transform: [{ step: 'set_customer', customer: 'acme' }] }
    const { job } = await ask<{ job: { job_id: string } }>('POST', '/v1/exceptions/redrive', mend, asker)
    const now = () => ask<Job>('GET', `/v1/jobs/${job.job_id}`)
    await expect.poll(async () => (await now()).approval_id, waiting).not.toBeNull()
    const { approval_id: id } = await now()
    expect(await open()).toMatchObject({ exceptions: [{ state: 'open' }] })
    expect(await ask('POST', `/v1/approvals/${id}/approve`, {}, asker)).toMatchObject({ code: 'own_request' })
    expect(await ask('POST', `/v1/approvals/${id}/approve`, {}, second)).toMatchObject({ state: 'approved' })
    await expect.poll(now, waiting).toMatchObject({ state: 'done', approval_id: null })
    await expect.poll(async () => (await open()).exceptions, waiting).toEqual([])
  },
  generousMs,
)

const heldDeliveries = async () =>
  (await ask<{ approvals: readonly Approval[] }>('GET', '/v1/approvals?kind=delivery&state=waiting'))
    .approvals
const decide = (id: string, act: 'approve' | 'reject') =>
  ask<Approval>('POST', `/v1/approvals/${id}/${act}`, { reason: 'looked at' }, second)

/** How often each charge lies in the files of the connection, by amount. */
async function written(): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'lines'))
  const texts = await Promise.all(names.map(name => readFile(join(folder, 'lines', name), 'utf8')))
  return texts.flatMap(text => [...text.matchAll(/,(-?\d+),USD,/g)].map(([, amount]) => amount!)).toSorted()
}

async function deliveredStation(id: string) {
  type Told = { stations: { station: string; state: string; reason: string }[] }
  const { stations } = await ask<Told>('GET', `/v1/events?source=test&id=${id}`)
  return stations.find(({ station }) => station === 'delivered')
}

test(
  'a delivery that a rule holds is held once and sent once though the process is killed, and one that is rejected is an exception',
  async () => {
    await expect.poll(async () => (await heldDeliveries()).length, waiting).toBe(1)
    const [held] = await heldDeliveries()
    expect(held!.rules.map(({ rule }) => rule)).toEqual(['out'])
    expect(held!.facts.record).toEqual({ connection: 'lines', kind: 'batch_line', customer_id: 'acme' })
    expect(held!.evidence).toMatchObject({ line: { amount_rounded: '31' }, record: { kind: 'batch_line' } })
    weir.kill('weir')
    await weir.ready()
    expect(await heldDeliveries()).toEqual([held])
    const checks = (await ask<{ checks: object[] }>('GET', '/readyz?verbose')).checks
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'approvals', detail: expect.stringMatching('delivery 1') }),
    )
    await expect
      .poll(() => deliveredStation('02-0'), waiting)
      .toMatchObject({
        state: 'waiting',
        reason: expect.stringMatching(`is held \\(waiting_approval: ${held!.approval_id}`),
      })
    const listed = (await weir.run('approvals', 'ls', '--kind', 'delivery')).stdout
    expect(listed).toMatch(/delivery +31 USD of acme to lines +waiting .* out/)
    expect(await written()).toEqual(['10'])
    const own = await ask('POST', `/v1/approvals/${held!.approval_id}/approve`, {}, asker)
    expect(own).toMatchObject({ code: 'own_request' }) // of the run that billed it
    await decide(held!.approval_id, 'approve')
    await expect.poll(written, waiting).toEqual(['10', '31'])

    await ask('POST', '/v1/events', [
      event('weir.usage.retracted', 'r2', { event_source: 'test', event_id: '01-1' }),
    ])
    const credits = await run('2026-03-01T00:00:00Z', 'held', 'more credits')
    const [batch] = (await pageOf(credits)).held_batches
    await decide(batch!.approval_id, 'approve')
    await expect.poll(async () => (await heldDeliveries()).length, waiting).toBe(1)
    const [credit] = await heldDeliveries()
    expect(credit!.rules.map(({ rule }) => rule)).toEqual(['back'])
    expect(credit!.facts.credits).toMatchObject([{ has_invoice: false }])
    expect(credit!.evidence).toMatchObject({ correction: expect.any(Array) })
    await decide(credit!.approval_id, 'reject')
    type Page = { exceptions: { code: string }[] }
    const refused = () => ask<Page>('GET', '/v1/exceptions?kind=refused_delivery')
    await expect
      .poll(async () => (await refused()).exceptions, waiting)
      .toMatchObject([{ code: 'rejected_by_approval' }])
    expect((await written()).filter(amount => amount.startsWith('-'))).toEqual([])
    expect(await deliveredStation('01-1')).toMatchObject({ state: 'refused' })
    await expect.poll(() => ask('GET', '/v1/reconciliation'), waiting).toMatchObject({ ok: true }) // decided, not missing
  },
  generousMs,
)
