// One customer's month over the HTTP API alone, as a small team would do it: prices, a subscription, usage, a billing run,
// and its batches taken and acknowledged.

import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpAnswer } from './answers.js'
import { type Call, tellOfOthers } from './one-month-of-others.js'

const pollMs = 50
const patienceMs = 60_000

const catalog = {
  meters: [{ meter: 'tokens', event_type: 'llm.request', aggregation: 'sum', value: 'tokens' }],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'EUR',
      billing_period: 'month',
      prices: [
        { price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '0.000002' },
        { price: 'base', kind: 'recurring', amount: '99', per: 'subscription', timing: 'in_arrears' },
      ],
    },
  ],
}

const envelope = { specversion: '1.0', source: 'one-month', time: '2026-01-01T00:00:00Z' }
const events = [
  { ...envelope, id: 'prices', type: 'weir.catalog.published', data: { catalog } },
  {
    ...envelope,
    id: 'subscription',
    type: 'weir.subscription.created',
    subject: 'acme',
    data: {
      subscription_id: 'sub_1',
      customer_id: 'acme',
      sequence: 1,
      plan: 'pro',
      plan_version: 1,
      effective_from: '2026-01-01T00:00:00Z',
      entity_id: 'de',
    },
  },
  {
    ...envelope,
    id: 'customer',
    type: 'weir.customer.upserted',
    subject: 'acme',
    data: { customer_id: 'acme', name: 'Acme' },
  },
  {
    ...{ ...envelope, id: 'check', type: 'weir.customer.status_changed', subject: 'acme' },
    data: { gate: 'kyc', status: 'approved' },
  },
  { ...envelope, id: 'usage', type: 'llm.request', subject: 'acme', data: { tokens: 1_234_567 } },
  ...['a', 'b', 'c'].map(id => ({
    ...{ ...envelope, id, type: 'llm.request', subject: 'acme' },
    data: { tokens: `${id} few` },
  })),
]

interface Run {
  readonly billing_run_id: string
  readonly status: string
}

/** The same month once more, by this build, by another one and by another price. */
async function replayIt(call: Call): Promise<void> {
  const stretch = { from: '2026-01-01', until: '2026-02-01', source: 'input', customer_id: 'acme' }
  const { from, until } = stretch
  await call('beginBuildComparison', 'POST', '/v1/build-comparisons', { from, until, build: '0.2.0' })
  const nobody = new URLSearchParams({ from, until, partition: '0', customer_id: 'nobody' })
  await call('listOwedCharges', 'GET', `/v1/owed-charges?${nobody}`)
  const { job_id: id } = await call<{ job_id: string }>('createReplay', 'POST', '/v1/replays', stretch)
  await call('listReplayDifferences', 'GET', `/v1/replays/${id}/differences?by=price`)
  const dearer = { ...catalog.plans[0], version: 2 }
  const tried = { catalog: { ...catalog, plans: [dearer] }, month: '2026-01', customer_id: 'acme' }
  await call('getCatalog', 'GET', '/v1/catalog')
  await call('createRebuild', 'POST', '/v1/rebuilds', { tables: ['meters'] })
  await call('createCatalogDiff', 'POST', '/v1/catalog-diffs', tried)
}

/** From the first step to the last, whatever differs. */
async function endIncident(call: Call): Promise<void> {
  await call('openIncident', 'POST', '/v1/incident', { reason: 'accounts' })
  for (const step of ['reconcile', 'money', 'state', 'rest']) {
    const body = { differences: 0, force: true, reason: 'a drill' }
    await call('doIncidentStep', 'POST', `/v1/incident/steps/${step}`, body)
  }
}

/** The books of the month: what is earned is posted, a period is closed and opened again. */
async function keepBooks(call: Call): Promise<void> {
  type Answer = { readonly state?: string }
  const period = { entity_id: '', period: '2020-01' }
  await call('createRelease', 'POST', '/v1/releases', { until: '2026-01-31' })
  for (
    let state = '';
    state !== 'closed';
    await sleep(pollMs) // a feed may still be behind
  )
    state = (await call<Answer>('closePeriod', 'POST', '/v1/periods/close', period)).state ?? ''
  await call('reopenPeriod', 'POST', '/v1/periods/reopen', { ...period, reason: 'a drill' })
  await call('listPeriods', 'GET', '/v1/periods')
}

/** What became of the usage, and the other way round. */
async function explainIt(call: Call): Promise<void> {
  type Told = { readonly charges: readonly { readonly charge_id: string }[] }
  const told = await call<Told>('explainEvent', 'GET', '/v1/events?source=one-month&id=usage')
  await call('listEventsOfCharge', 'GET', `/v1/charges/${told.charges[0]?.charge_id}/events`)
}

/** What failed, mended by a job that is stopped and goes on, and by one that is undone. */
async function mendIt(call: Call): Promise<void> {
  type Jobs = { readonly job: { readonly job_id: string } }
  type Listed = { readonly exceptions: readonly { readonly exception_id: string }[] }
  const listed = await call<Listed>('listExceptions', 'GET', '/v1/exceptions?code=invalid_value')
  const id = encodeURIComponent(listed.exceptions[0]?.exception_id ?? '')
  await call('getException', 'GET', `/v1/exceptions/${id}`)
  await call('getDeadLetter', 'GET', `/v1/dead-letters/${id}`)
  const transform = [{ step: 'set', field: '/data/tokens', value: 5 }]
  const set = { filter: { code: 'invalid_value' }, reason: 'a drill' }
  await call('discardExceptions', 'POST', '/v1/exceptions/discard', set)
  await call('undoDiscardOfExceptions', 'POST', '/v1/exceptions/undo', set)
  const mend = {
    filter: { code: 'invalid_value' },
    transform,
    rate: 1,
    start: false,
    reason: 'a typing error',
  }
  await call('redriveDeadLetters', 'POST', '/v1/dead-letters/redrive', { ...mend, dry_run: true })
  const { job } = await call<Jobs>('redriveExceptions', 'POST', '/v1/exceptions/redrive', mend)
  const path = `/v1/jobs/${job.job_id}`
  await call('getJob', 'GET', path)
  for (const act of ['start', 'pause', 'resume', 'cancel']) await call(`${act}Job`, 'POST', `${path}/${act}`)
  await call('getJobReport', 'GET', `${path}/report`)
  await call('undoRedrive', 'POST', `/v1/exceptions/redrive/${job.job_id}/undo`, { reason: 'tried' })
}

/** What a connection holds is asked for again, and what holds it is set and taken away. */
async function steerIt(call: Call): Promise<void> {
  type Listed = { readonly deliveries: readonly { readonly delivery_id: string }[] }
  let listed: Listed = { deliveries: [] }
  for (const untilMs = Date.now() + patienceMs; listed.deliveries.length === 0; await sleep(pollMs)) {
    if (Date.now() > untilMs) throw new Error('the connection has held nothing')
    listed = await call<Listed>('listDeliveries', 'GET', '/v1/deliveries?state=held')
  }
  const path = `/v1/deliveries/${listed.deliveries[0]?.delivery_id}`
  await call('getDelivery', 'GET', path)
  await call('retryDelivery', 'POST', `${path}/retry`, { reason: 'a drill' })
  await call('setRollout', 'POST', '/v1/sinks/books/mode', { mode: 'automatic', reason: 'a drill' })
  const held = { customer_id: 'acme', reason: 'a drill' }
  await call('placeBillingHold', 'POST', '/v1/billing-holds', held)
  await call('listBillingHolds', 'GET', '/v1/billing-holds')
  await call('releaseBillingHold', 'POST', '/v1/billing-holds/release', held)
  const books = { entity_id: 'fr', period: '2026-01' }
  await call('closePeriod', 'POST', '/v1/periods/close', books)
  await call('reopenPeriod', 'POST', '/v1/periods/reopen', { ...books, reason: 'a drill' })
  const window = { name: 'drill', from: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' }
  await call('addFreezeWindow', 'POST', '/v1/freeze-windows', {
    ...window,
    mode: 'frozen',
    reason: 'a drill',
  })
  await call('removeFreezeWindow', 'DELETE', '/v1/freeze-windows/drill')
}

/** The number of batches that were acknowledged. `onAnswer` is told the operation and the answer of each request. */
export async function billOneMonth(
  url: string,
  key: string,
  onAnswer: (operationId: string, answer: HttpAnswer) => void,
): Promise<number> {
  const call = async <T>(operationId: string, method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    onAnswer(operationId, {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: text,
    })
    return JSON.parse(text) as T
  }
  await call('ingestEvents', 'POST', '/v1/events', events)
  const order = { cutoff: '2026-02-01T00:00:00Z', entity_id: 'de' }
  await call('setRollout', 'POST', '/v1/sinks/books/mode', { mode: 'read_only', reason: 'a drill' })
  let run = await call<Run>('createBillingRun', 'POST', '/v1/billing-runs', order)
  const path = `/v1/billing-runs/${run.billing_run_id}`
  for (
    const untilMs = Date.now() + patienceMs;
    run.status === 'sealing' && Date.now() < untilMs;
    await sleep(pollMs)
  )
    run = await call<Run>('getBillingRun', 'GET', path)
  const page = await call<{ batches: { batch_id: string }[] }>('listBillingBatches', 'GET', `${path}/batches`)
  for (const { batch_id } of page.batches)
    await call('acknowledgeBillingBatch', 'POST', `${path}/batches/${batch_id}/ack`)
  await call('getBillingRun', 'GET', path)
  await steerIt(call)
  await call('getReconciliation', 'GET', '/v1/reconciliation')
  await call('getReceiverReconciliation', 'GET', '/v1/reconciliation/connections/books')
  await mendIt(call)
  await explainIt(call)
  await replayIt(call)
  await endIncident(call)
  await keepBooks(call)
  await tellOfOthers(call)
  return page.batches.length
}
