// Samples of a source of kind `standard`: a billing platform that tells of subscriptions, invoices and payments.

import { Webhook } from 'standardwebhooks'
import { standardKind } from '../standard/kind.js'
import type { Sample, SourceSamples } from './samples.js'

export const standardMapping = `
occurred_at: $.timestamp
rules:
  - name: a subscription as it stands
    where: { $.data.object: subscription }
    type: [subscription.created, subscription.updated]
    events:
      - event: weir.subscription.amended
        version: { from: $.data.updated_at }
        correlation_id: { from: $.data.quote, optional: true }
        data:
          subscription_id: { from: $.data.id, id: subscription }
          customer_id: { from: $.data.customer, id: customer }
          plan: { from: $.data.plan, map: { gold: pro, silver: basic } }
          effective_from: { from: $.data.since, as: unix_seconds }
          quantities: { seats: { from: $.data.seats, as: decimal } }
  - name: payments
    type: payment.succeeded
    event: weir.payment.succeeded
    each: $.data.payments[*]
    key: "@.id"
    data:
      payment_id: "@.id"
      customer_id: { from: $.data.customer, id: customer }
      currency: { from: "@.currency", as: upper }
      amount: { from: "@.cents", as: minor_units, currency: { from: "@.currency", as: upper } }
  - type: ping
    ignore: a test of the line
`

const subscription = (id: string, seats: number, updatedAt: string): Sample => ({
  name: `${id} with ${seats} seats`,
  id: `msg_${id}_${seats}`,
  body: JSON.stringify({
    type: 'subscription.updated',
    timestamp: updatedAt,
    data: {
      ...{ object: 'subscription', id, customer: 'cus_1', plan: 'gold', since: 1_790_000_000, seats },
      updated_at: updatedAt,
    },
  }),
})

const payment: Sample = {
  name: 'two payments',
  id: 'msg_pay',
  body: JSON.stringify({
    type: 'payment.succeeded',
    timestamp: '2026-11-01T00:00:00Z',
    data: {
      customer: 'cus_1',
      payments: [
        { id: 'pay_1', currency: 'eur', cents: 1250 },
        { id: 'pay_2', currency: 'jpy', cents: 1250 },
      ],
    },
  }),
}

const whsec = (text: string) => `whsec_${Buffer.from(text.padEnd(32, '.')).toString('base64')}`

export const standardSamples: SourceSamples = {
  kind: standardKind,
  mapping: standardMapping,
  secrets: [whsec('the one in use'), whsec('the one that it replaces')],
  otherSecret: whsec('of somebody else'),
  identities: new Map([['customer cus_1', 'acme']]),
  request({ id = 'msg_none', body }, secret, atMs) {
    const bytes = Buffer.from(body)
    const at = new Date(atMs)
    return {
      path: '/v1/webhooks/sample',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(atMs / 1000)),
        'webhook-signature': new Webhook(secret).sign(id, at, bytes),
      },
      body: bytes,
    }
  },
  withoutProof({ headers, ...request }) {
    const { 'webhook-signature': _, ...others } = headers
    return { ...request, headers: others }
  },
  good: [subscription('sub_1', 5, '2026-11-01T10:00:00Z'), payment],
  states: [
    subscription('sub_1', 5, '2026-11-01T10:00:00Z'),
    subscription('sub_1', 7, '2026-11-01T10:00:00.250Z'),
    subscription('sub_1', 6, '2026-11-02T09:00:00Z'),
  ],
  unknownType: { name: 'unknown', id: 'msg_u', body: JSON.stringify({ type: 'coffee.brewed', data: {} }) },
  missingField: {
    name: 'no seats',
    id: 'msg_m',
    body: JSON.stringify({
      type: 'subscription.updated',
      timestamp: '2026-11-01T00:00:00Z',
      data: { object: 'subscription', id: 'sub_1', customer: 'cus_1', plan: 'bronze' },
    }),
  },
  bodyOf(bytes) {
    const { body, ...sample } = payment
    const text = JSON.stringify({ ...JSON.parse(body), padding: '' })
    return { ...sample, body: text.replace('"padding":""', `"padding":"${'x'.repeat(bytes - text.length)}"`) }
  },
}
