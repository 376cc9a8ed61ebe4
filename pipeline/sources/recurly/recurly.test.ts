// Recurly's own samples of XML, and objects of its API, become the right events.

import { expect, test } from 'vitest'
import type { MadeEvent } from '../map/made-events.js'
import type { ForeignObject } from '../map/object-fields.js'
import type { Arrival } from '../source-kind.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { loadedRecurly } from './loaded.js'
import { arrivalOfObject } from './object-arrival.js'
import {
  publishedXml,
  recurlyJsonSamples,
  recurlyXmlSamples,
  subscriptionAt,
  triggerOf,
} from './testing/recurly-samples.js'

describeConformance(recurlyJsonSamples)
describeConformance(recurlyXmlSamples)

const ofXml = async (body: string, settings: object = { currency: 'USD' }) => {
  const open = await openSamples({ ...recurlyXmlSamples, settings: settings as Record<string, unknown> })
  return open.outcomes(open.arrivals({ name: '', body }))
}
const ofObject = async (
  object: ForeignObject,
  readMs = Date.UTC(2026, 10, 20),
): Promise<readonly MadeEvent[]> => {
  const open = await openSamples(recurlyJsonSamples)
  const arrival: Arrival = {
    ...arrivalOfObject(object, readMs),
    ...{ source: 'sample', via: 'fetch', receivedAtMs: readMs, sequence: 1, headers: {} },
  }
  return open.events([arrival])
}
const brief = (outcome: unknown) => {
  const { kind, events = [], ...others } = outcome as { kind: string; events?: MadeEvent[] }
  return kind === 'events'
    ? events.map(
        ({ type, data }) =>
          `${type.slice(5)} ${String(data['effective_from'] ?? data['amount'] ?? data['total'] ?? data['name'] ?? '')}`,
      )
    : { kind, ...others }
}

test('each of the published notifications becomes what it tells', async () => {
  const expected: Record<string, unknown> = {
    new_account: ['customer.upserted Verena Example'],
    new_subscription: ['subscription.created 2010-09-23T22:05:03Z'],
    updated_subscription: ['subscription.created 2010-09-23T22:05:43Z'],
    renewed_subscription: ['subscription.created 2010-09-22T20:42:05Z'],
    canceled_subscription: ['subscription.created 2010-09-23T22:05:43Z'],
    expired_subscription: [
      'subscription.created 2010-09-24T22:05:03Z',
      'subscription.cancelled 2010-09-24T22:05:03Z',
    ],
    subscription_paused: [
      'subscription.created 2018-03-10T22:12:08Z',
      'subscription.suspended 2018-03-10T22:12:08Z',
      'subscription.resumed 2018-03-20T22:12:08Z',
    ],
    subscription_resumed: ['subscription.created 2018-03-20T17:50:27Z'],
    successful_payment: ['payment.succeeded 10.00'],
    failed_payment: ['payment.failed 10.00'],
    void_payment: ['payment.succeeded 10.00', 'payment.refunded 10.00'],
    successful_refund: ['payment.refunded 10.00'],
    charge_invoice: ['invoice.finalized 1000.00'],
    credit_invoice: ['invoice.finalized -48.82'],
    unknown: { kind: 'ignored', reason: 'type_not_mapped' },
  }
  for (const [name, events] of Object.entries(expected))
    expect([name, (await ofXml(publishedXml(name))).map(brief)]).toEqual([name, [events]])
})

test('with a key the object is read in place of its XML; a reactivation, which XML cannot date, always is', async () => {
  const settings = { api_key: { variable: 'KEY' } }
  const uuid = 'd1b6d359a01ded71caed78eaa0fedf8e'
  expect(await ofXml(publishedXml('new_subscription'), settings)).toEqual([
    { kind: 'fetch', what: { object: 'subscription', id: `uuid-${uuid}` } },
  ])
  expect(await ofXml(publishedXml('charge_invoice'), settings)).toEqual([
    { kind: 'fetch', what: { object: 'invoice', id: 'number-2405' } },
  ])
  const again = publishedXml('new_subscription').replaceAll('new_subscription_', 'reactivated_account_')
  expect(await ofXml(again, {})).toMatchObject([{ kind: 'fetch' }])
})

test('a payment in XML without a currency waits and says what it needs', async () => {
  expect(await ofXml(publishedXml('successful_payment'), {})).toMatchObject([
    { kind: 'waits', faults: [{ code: 'missing_value', pointer: '/currency' }] },
  ])
})

test('entities, a DTD, deep nests, unclosed elements and names of prototypes make no event and cost little', async () => {
  const sample = publishedXml('new_account')
  const declared = sample.replace(
    '?>',
    '?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY a "&a;&a;">]>',
  )
  const harmless = sample
    .replace('?>', '?><!DOCTYPE x [<!ENTITY co "Evil">]>')
    .replace('<company_name nil="true" />', '<company_name>&co;</company_name>')
  const deep = `<new_account_notification>${'<a>'.repeat(200_000)}`
  const nested = `<new_account_notification>${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}</new_account_notification>`
  for (const body of [
    declared.replace('>1<', '>&e;<'),
    harmless,
    deep,
    nested,
    sample.slice(0, -5),
    '<'.repeat(900_000),
  ])
    expect(await ofXml(body)).toMatchObject([{ kind: 'waits', faults: [{ code: 'malformed_body' }] }])
  const odd = sample.replace(
    '<username nil="true" />',
    '<__proto__><account_code>x</account_code></__proto__>',
  )
  expect(await ofXml(odd)).toMatchObject([expect.not.objectContaining({ kind: 'fetch' })])
})

test('an object of the API: its terms, a trial, an end, a pause and its end; its order is updated_at, then when it was read', async () => {
  const at = Date.UTC(2026, 9, 2)
  const [terms, ...none] = await ofObject(
    subscriptionAt(at, { trial_ends_at: '2026-01-15T00:00:00Z', quantity: 5 }),
  )
  expect(none).toEqual([])
  expect(terms).toMatchObject({
    ...{ type: 'weir.subscription.created', source: 'weir:recurly:sample', subject: 'acme' },
    data: {
      ...{ plan: 'pro', quantities: { seats: '5', support: '2' }, trial_until: '2026-01-15T00:00:00Z' },
      ...{ effective_from: '2026-10-02T00:00:00Z', effective_until: null },
    },
  })
  const canceled = { state: 'canceled', expires_at: '2026-12-01T00:00:00Z' }
  expect((await ofObject(subscriptionAt(at, canceled)))[0]?.data).toMatchObject({
    effective_until: '2026-12-01T00:00:00Z',
  })
  const paused = { paused_at: '2026-11-01T00:00:00Z', resume_at: '2027-01-01T00:00:00Z' }
  expect(
    (await ofObject(subscriptionAt(at, paused))).map(({ type, data }) => [type, data['effective_from']]),
  ).toEqual([
    ['weir.subscription.created', '2026-10-02T00:00:00Z'],
    ['weir.subscription.suspended', '2026-11-01T00:00:00Z'],
    ['weir.subscription.resumed', '2027-01-01T00:00:00Z'],
  ])
  const future = { state: 'future', activated_at: '2027-01-01T00:00:00Z', created_at: '2026-10-02T00:00:00Z' }
  expect((await ofObject(subscriptionAt(at, future)))[0]?.data).toMatchObject({
    effective_from: '2027-01-01T00:00:00Z',
  })
  const sequences = await Promise.all(
    [at + 5_000, at + 9_000].map(
      async readMs => (await ofObject(subscriptionAt(at), readMs))[0]?.data['sequence'],
    ),
  )
  expect(Number(sequences[0])).toBeLessThan(Number(sequences[1]))
  const next = (await ofObject(subscriptionAt(at + 1_000), at + 1_000))[0]?.data['sequence']
  expect(Number(sequences[1])).toBeLessThan(Number(next))
})

test('payments and refunds of the API are told once each, by their own ids and with every digit', async () => {
  const transaction = {
    ...{
      id: 'tr1',
      object: 'transaction',
      type: 'purchase',
      status: 'success',
      currency: 'USD',
      amount: 12.5,
    },
    ...{
      account: { code: 'cus_1' },
      invoice: { id: 'i', number: '1042' },
      collected_at: '2026-10-02T00:00:00Z',
    },
  }
  expect((await ofObject(transaction))[0]).toMatchObject({
    id: 'tr1/succeeded',
    data: { payment_id: 'tr1', amount: '12.5', invoice_id: '1042' },
  })
  const refund = { ...transaction, id: 'tr2', type: 'refund', original_transaction_id: 'tr1' }
  expect((await ofObject(refund))[0]).toMatchObject({ id: 'tr2/refunded', data: { payment_id: 'tr1' } })
  const voided = { ...transaction, status: 'void', voided_at: '2026-10-03T00:00:00Z' }
  expect((await ofObject(voided)).map(({ id, time }) => [id, time])).toEqual([
    ['tr1/succeeded', '2026-10-02T00:00:00Z'],
    ['tr1/voided', '2026-10-03T00:00:00Z'],
  ])
  expect(await ofObject({ ...transaction, type: 'verify' })).toEqual([])
  const [paid, lost] = await ofObject({
    ...{ ...transaction, status: 'chargeback' },
    updated_at: '2026-11-03T00:00:00Z',
  })
  expect(paid).toMatchObject({ id: 'tr1/succeeded' })
  expect(lost).toMatchObject({
    ...{ id: 'tr1/chargeback/1793664000', type: 'weir.payment.disputed', time: '2026-11-03T00:00:00Z' },
    data: {
      payment_id: 'tr1',
      dispute_id: 'tr1/chargeback',
      status: 'lost',
      amount: '12.5',
      invoice_id: '1042',
    },
  })
  // As Recurly books it by default: a refund of its own, which is the same dispute of the payment.
  expect(await ofObject({ ...refund, status: 'chargeback' })).toMatchObject([
    {
      ...{ id: `${refund.id}/chargeback`, type: 'weir.payment.disputed' },
      data: { payment_id: 'tr1', dispute_id: 'tr1/chargeback', status: 'lost' },
    },
  ])
})

test('a request with a signature is judged by it although a login stands beside it', () => {
  const sample = {
    name: '',
    body: JSON.stringify(triggerOf('account', 'a', 'created', '2026-11-01T00:00:00Z')),
  }
  const nowMs = Date.UTC(2026, 10, 27)
  const signed = recurlyJsonSamples.request(sample, 'other', nowMs)
  const login = `Basic ${Buffer.from('weir:pass').toString('base64')}`
  const request = { ...signed, headers: { ...signed.headers, authorization: login } }
  const basic = [{ username: 'weir', password: 'pass' }]
  expect(loadedRecurly.verify(request, { signing: ['right'], basic }, nowMs, {})).toEqual({
    kind: 'refused',
    code: 'signature_invalid',
  })
  expect(loadedRecurly.verify(request, { signing: [], basic }, nowMs, {}).kind).toBe('proven')
})
