// The part of the month that is about other systems and about the customer: whom their ids mean, what each says of it, how its
// checks stand, usage that a client of another system takes back, and at last its personal data.

import { setTimeout as sleep } from 'node:timers/promises'

/** Sends one request of an operation, and tells its answer. */
export type Call = <T>(operationId: string, method: string, path: string, body?: unknown) => Promise<T>

const pollMs = 100
const patienceMs = 30_000

/** Asks until it is answered otherwise than by a refusal: the table or the list has it a little later. */
async function untilThere(call: Call, operationId: string, method: string, path: string, body?: unknown) {
  for (const untilMs = Date.now() + patienceMs; Date.now() < untilMs; await sleep(pollMs)) {
    const answer = await call<object>(operationId, method, path, body)
    if (!('code' in answer || 'error' in answer)) return
  }
  throw new Error(`${operationId} was refused all the time`)
}

const ofMetronome = [
  {
    transaction_id: 'of-metronome',
    customer_id: 'acme',
    event_type: 'tokens',
    timestamp: '2026-01-20T12:00:00Z',
    properties: { tokens: '1' },
  },
]

export async function tellOfOthers(call: Call): Promise<void> {
  const reason = 'a drill'
  const theirs = { object: 'customer', system: 'crm', theirs: '001' }
  await call('setIdentity', 'PUT', '/v1/identities', { ...theirs, ours: 'acme', reason })
  const key = new URLSearchParams({ ...theirs, reason })
  await call('removeIdentity', 'DELETE', `/v1/identities?${key}`)
  const merge = { from: 'acme-old', into: 'acme', dry_run: false, reason }
  await call('mergeCustomers', 'POST', '/v1/identities/merge', merge)
  await call('splitCustomer', 'POST', '/v1/identities/split', { customer: 'acme-old', reason })
  await untilThere(call, 'getGates', 'GET', '/v1/gates/acme')
  await untilThere(call, 'getOwnedObject', 'GET', '/v1/systems-of-record/customer/acme')
  const stretch = { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z', reason }
  await call('rerunSource', 'POST', '/v1/sources/billing/rerun', stretch)
  await takeBack(call)
  await call('ingestMetronomeEvents', 'POST', '/producers/metronome/v1/ingest', ofMetronome)
  const terms = { name: 'drill', scopes: ['ingest:usage'] }
  const { key_id } = await call<{ key_id: string }>('createApiKey', 'POST', '/v1/keys', terms)
  await call('rotateApiKey', 'POST', `/v1/keys/${key_id}/rotate`, { overlap_seconds: 60 })
  await call('erasePersonalData', 'POST', '/v1/personal-data/erase', { customer_id: 'gone', reason })
}

/** A meter event of Stripe's clients, which is retracted as soon as a table has it. */
async function takeBack(call: Call): Promise<void> {
  const payload = { stripe_customer_id: 'acme', value: '25' }
  const sent = { event_name: 'tokens', identifier: 'by-mistake', payload }
  await call('createStripeMeterEventInJson', 'POST', '/v2/billing/meter_events', sent)
  const { event_name, identifier } = sent
  const taken = { event_name, type: 'cancel', cancel: { identifier } }
  const path = '/v2/billing/meter_event_adjustments'
  await untilThere(call, 'createStripeAdjustmentInJson', 'POST', path, taken)
}
