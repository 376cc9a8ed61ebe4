// The exceptions of a running Weir, over HTTP and the command line: refused, parked and unmetered events in one list with
// exact money, discarded and opened again, read back whole, looked at for a redrive, redriven and undone.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { AuditEntry } from '../../schemas/audit/audit-entry.js'
import type { EventExplanation } from '../explain/explanation.js'
import { until } from '../testing/engine-harness.js'
import type { ExceptionView } from './exception-view.js'
import type { MoneyView } from './money/money-sums.js'

const generousMs = 300_000

interface Group {
  readonly group: string
  readonly count: number
  readonly customers: number
  readonly owners: readonly string[]
  readonly money: MoneyView
}
interface Page {
  readonly exceptions: readonly ExceptionView[]
}

let weir: SupervisedWeir
let apiKey: string

const catalog = {
  meters: [{ meter: 'tokens', event_type: 'llm', aggregation: 'sum', value: 'tokens' }],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'EUR',
      billing_period: 'month',
      prices: [{ price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '0.0031' }],
    },
  ],
}

/** Longer than what a dead letter keeps of an event, and a number whose digits a float would not keep. */
const longText = `{"specversion":"1.0","id":"long","source":"s","type":"llm","subject":"acme","time":"2026-01-05T00:00:00Z",
  "data":{"tokens":" 7 ","ratio":0.10000000000000000000001,"note":"${'n'.repeat(70_000)}"}}`

const event = (id: string, type: string, data: object, subject = 'acme') => ({
  specversion: '1.0',
  ...{ id, source: 's', type, subject, time: '2026-01-05T00:00:00Z', data },
})

beforeAll(async () => {
  weir = await SupervisedWeir.start({ env: { WEIR_PARTITIONS: '1' } })
  await weir.ready()
  apiKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  await send('/v1/events', [
    event('cat', 'weir.catalog.published', { catalog }),
    event('cus', 'weir.customer.upserted', { customer_id: 'acme', name: 'Acme' }),
    event('sub', 'weir.subscription.created', {
      ...{ subscription_id: 'sub', customer_id: 'acme', sequence: 1, plan: 'pro' },
      effective_from: '2026-01-01T00:00:00Z',
    }),
  ])
  await send('/v1/events', [
    event('good', 'llm', { tokens: 100 }),
    event('text', 'llm', { tokens: ' 12 ' }),
    event('word', 'llm', { tokens: 'many' }),
    event('early', 'llm', { tokens: 5 }, 'ghost'),
    event('typo', 'lmm', { tokens: 3 }),
  ])
  await send('/v1/events', longText)
  await until(async () => (await groupsBy('kind')).reduce((sum, { count }) => sum + count, 0) === 5)
}, generousMs)

afterAll(() => weir?.stop(), generousMs)

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const response = await fetch(`${weir.url}${path}`, { ...init, headers })
  const text = await response.text()
  expect(response.ok, `${path}: ${response.status} ${text}`).toBe(true)
  return JSON.parse(text) as T
}

function send<T>(path: string, body: unknown): Promise<T> {
  return ask<T>(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })
}

async function groupsBy(rule: string): Promise<readonly Group[]> {
  return (await ask<{ groups: readonly Group[] }>(`/v1/exceptions?group_by=${rule}`)).groups
}

const idsOf = ({ exceptions }: Page) => exceptions.map(one => one.event?.id).toSorted()

async function run<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await weir.run(...args, '--json')
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(stdout) as T
}

test('refused, parked and unmetered events are one list in groups, each with its exact money and owner', async () => {
  const seen = (await groupsBy('code')).map(({ group, count, owners, money }) => [
    ...[group, count, owners.join()],
    ...[money.at_stake, money.not_known, money.not_counted],
  ])
  expect(seen.toSorted()).toEqual([
    ['code@1/awaiting_subscription', 1, 'revops', [], 1, 0],
    ['code@1/invalid_value', 3, 'integration', [{ currency: 'EUR', amount: '0.0589' }], 1, 0], // 12 and 7 tokens
    ['code@1/unmetered', 1, 'revops', [], 1, 0],
  ])
})

test('what is discarded by a filter is on the audit trail and off the list, is found, and is opened again', async () => {
  const body = { filter: { code: 'invalid_value', type: 'llm' }, reason: 'a load test' }
  const preview = await send('/v1/exceptions/discard', { ...body, preview: true })
  expect(preview).toMatchObject({
    ...{ preview: true, count: 3, customers: 1 },
    money: { at_stake: [{ currency: 'EUR', amount: '0.0589' }], known: 2, not_known: 1 },
  })
  expect(await groupsBy('kind')).toHaveLength(3)
  expect(await send('/v1/exceptions/discard', { ...body, expected_count: 3 })).toMatchObject({ shown: true })
  expect(idsOf(await ask('/v1/exceptions'))).toEqual(['early', 'typo'])
  const discarded = await ask<Page>('/v1/exceptions?state=discarded')
  expect(idsOf(discarded)).toEqual(['long', 'text', 'word'])
  expect(discarded.exceptions[0]!.answer).toMatchObject({ resolution: 'discarded', reason: 'a load test' })
  const entries = async () =>
    (await ask<{ entries: readonly AuditEntry[] }>('/v1/audit?act=exception.discarded')).entries
  await until(async () => (await entries()).length > 0)
  expect(await entries()).toMatchObject([
    {
      reason: 'a load test',
      object: { kind: 'exceptions' },
      after: { count: 3, exception_ids: discarded.exceptions.map(one => one.exception_id) },
    },
  ])

  await send('/v1/exceptions/undo', { filter: { type: 'llm' }, reason: 'it was real' })
  expect(idsOf(await ask('/v1/dead-letters'))).toEqual(['long', 'text', 'word'])
  expect(idsOf(await ask('/v1/exceptions?state=discarded'))).toEqual([])
})

test('an event of which the dead letter keeps a part alone is shown whole, to the last digit', async () => {
  const long = (await ask<Page>('/v1/dead-letters')).exceptions.find(one => one.event?.id === 'long')!
  expect(long.money).toEqual({ amount: '0.0217', currency: 'EUR' })
  const { original = '' } = await ask<ExceptionView>(`/v1/exceptions/${long.exception_id}`)
  expect(original.length).toBeGreaterThan(70_000)
  expect(original).toContain('"ratio":0.10000000000000000000001')
  expect(JSON.parse(original)).toEqual(JSON.parse(longText))
})

test('the command line lists them, and looks at a redrive by the same filter', async () => {
  const [parked, letters] = await Promise.all([
    run<{ groups: Group[] }>('exceptions', 'ls', '--kind', 'parked'),
    run<Page>('dead-letters', 'ls', '--each'),
  ])
  expect(parked.groups).toMatchObject([{ count: 1, customers: 1 }])
  expect(idsOf(letters)).toEqual(['long', 'text', 'word'])
  const mend = ['--set', '/data/tokens=7']
  const looked = await run<{ job: { state: string }; preview: { count: number } }>(
    ...['dead-letters', 'redrive', '--source', 's', ...mend],
  )
  expect(looked).toMatchObject({ job: { state: 'previewed' }, preview: { count: 3 } })
  const id = letters.exceptions[0]!.exception_id
  expect(await run('exceptions', 'redrive', '--id', id, '--filter', 'type=llm', ...mend)).toMatchObject({
    preview: { count: 1, examples: [{ exception_id: id }] },
  })
  const deep = await weir.run('exceptions', 'redrive', '--set', '/id=7')
  expect(deep).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^400 invalid_request: transform.0.field: set/),
  })
  const ofParked = await weir.run('dead-letters', 'redrive', '--filter', 'kind=parked')
  expect(ofParked).toMatchObject({ code: 1, stderr: expect.stringContaining('dead letters alone') })
})

/** What stands: the charge of all events, and each open dead letter with its money. */
async function figures() {
  const { charges } = await explained('good')
  const { exceptions } = await ask<Page>('/v1/dead-letters')
  return {
    charge: charges.map(one => [one.charge_amount, one.charge_events, one.status]),
    letters: exceptions.map(one => [one.event?.id, one.exception_id, one.code, one.money]).toSorted(),
  }
}

const explained = (id: string) => ask<EventExplanation>(`/v1/events?source=s&id=${id}`)
const isDone = async (id: string) => (await ask<{ state: string }>(`/v1/jobs/${id}`)).state === 'done'

test('a redrive that is undone before billing leaves charges and dead letters as they were, and explain tells both', async () => {
  const before = await figures()
  expect(before.charge).toEqual([['0.31', 1, 'open']])
  const cast = { step: 'cast', field: '/data/tokens', to: 'number' }
  const { job } = await send<{ job: { job_id: string } }>('/v1/exceptions/redrive', {
    ...{ filter: { kind: 'dead_letter' }, transform: [cast], reason: 'texts' },
  })
  await until(async () => (await isDone(job.job_id)) && (await figures()).letters.length === 1)
  await until(async () => (await figures()).charge[0]?.[1] === 3)
  expect((await figures()).charge).toEqual([['0.3689', 3, 'open']]) // 100, 12 and 7 tokens

  const undo = await send<{ job_id: string }>(`/v1/exceptions/redrive/${job.job_id}/undo`, {})
  await until(async () => (await isDone(undo.job_id)) && (await figures()).letters.length === 3)
  await until(async () => (await figures()).charge[0]?.[1] === 1)
  expect(await figures()).toEqual(before)
  await until(async () => (await ask<{ ok: boolean }>('/v1/reconciliation')).ok)
  expect(await send(`/v1/exceptions/redrive/${job.job_id}/undo`, {})).toMatchObject({ job_id: undo.job_id })
  expect(await figures()).toEqual(before)

  const { resolutions } = await explained('text')
  expect(resolutions.map(one => [one.resolution, one.reason, one.job_id])).toEqual([
    ['discarded', 'a load test', ''],
    ['undone', 'it was real', ''],
    ['redriven', 'texts', job.job_id],
    ['undone', `undoes ${job.job_id}`, undo.job_id],
  ])
  expect(resolutions[0]).toMatchObject({ code: 'invalid_value', key_name: 'first key' })
  expect((await explained('good')).resolutions).toEqual([])
  const { stdout } = await weir.run('explain', 's', 'text')
  expect(stdout).toMatch(new RegExp(`undone \\(dead_letter invalid_value\\) .*undoes ${job.job_id}`))
})

test('undoing a redrive leaves what somebody amended since as it was amended', async () => {
  const { job } = await send<{ job: { job_id: string } }>('/v1/exceptions/redrive', {
    ...{
      filter: { source: 's', field: '/data/tokens' },
      transform: [{ step: 'set', field: '/data/tokens', value: 7 }],
    },
  })
  await until(async () => (await isDone(job.job_id)) && (await figures()).letters.length === 0)
  const mended = { tokens: 20 }
  const amendment = {
    event_source: 's',
    event_id: 'text',
    data: mended,
    type: 'llm',
    time: '2026-01-02T00:00:00Z',
  }
  const time = new Date().toISOString()
  await send('/v1/events', [{ ...event('amends', 'weir.usage.amended', amendment), time }])
  const quantityOfText = async () => (await explained('text')).charges.map(one => one.quantity)
  await until(async () => (await quantityOfText()).join() === '20')
  const undo = await send<{ job_id: string }>(`/v1/exceptions/redrive/${job.job_id}/undo`, {})
  await until(async () => (await isDone(undo.job_id)) && (await figures()).letters.length === 2)
  expect(await quantityOfText()).toEqual(['20'])
})

test('an Idempotency-Key gives the same redrive again, once on record, and no other one', async () => {
  const headers = {
    authorization: `Bearer ${apiKey}`,
    'content-type': 'application/json',
    'idempotency-key': 'k',
  }
  const redrive = async (value: number) => {
    const transform = [{ step: 'set', field: '/data/tokens', value }]
    const body = JSON.stringify({ filter: { source: 's' }, transform, start: false })
    const response = await fetch(`${weir.url}/v1/exceptions/redrive`, { method: 'POST', headers, body })
    return (await response.json()) as { code?: string; job?: { job_id: string } }
  }
  const [first, again, other] = [await redrive(1), await redrive(1), await redrive(2)]
  expect(again.job?.job_id).toMatch(/^job_/)
  expect(again.job?.job_id).toBe(first.job?.job_id)
  expect(other).toMatchObject({ code: 'idempotency_key_reused' })
  const { entries } = await ask<{ entries: readonly AuditEntry[] }>(
    '/v1/audit?act=redrive.previewed&limit=100',
  )
  expect(entries.filter(one => one.object.id === first.job?.job_id)).toHaveLength(1)
})

test('an event that a redrive led to another customer is explained as that customer’s, line by line', async () => {
  await send('/v1/exceptions/redrive', {
    ...{ filter: { kind: 'parked' }, transform: [{ step: 'set_customer', customer: 'acme' }] },
  })
  await until(async () => (await explained('early')).charges.length > 0)
  const told = await explained('early')
  expect(told).toMatchObject({ customer_id: 'acme', versions: [{ subscription_id: 'sub', chosen: true }] })
  expect(told.charges[0]?.arithmetic).toMatchObject({ not_shown: null })
  expect(JSON.parse(told.received?.content ?? '')).toMatchObject({ subject: 'ghost' })
})
