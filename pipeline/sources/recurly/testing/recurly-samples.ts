// Samples of a source of kind `recurly`: signed JSON, of which the objects are read, and XML with a login.

import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { formatInstantMs } from '../../../../schemas/time.js'
import type { ForeignObject } from '../../map/object-fields.js'
import type { Sample, SourceSamples } from '../../testing/samples.js'
import { recurlyKind } from '../kind.js'
import { signatureHeader } from '../loaded.js'
import { arrivalOfObject } from '../object-arrival.js'

const uuid = '5a1b2c3d4e5f60718293a4b5c6d7e8f9'

/** As the API has it; its quantity is made of the time, so that each state differs. */
export function subscriptionAt(updatedMs: number, changes: ForeignObject = {}): ForeignObject {
  return {
    ...{ id: 'sub1', object: 'subscription', uuid, state: 'active', currency: 'USD', unit_amount: 20 },
    account: { id: 'acc1', object: 'account', code: 'cus_1' },
    plan: { id: 'plan1', object: 'plan', code: 'gold', name: 'Gold' },
    quantity: 1 + (Math.floor(updatedMs / 1_000) % 97),
    add_ons: [{ id: 'sa1', object: 'subscription_add_on', add_on: { code: 'support' }, quantity: 2 }],
    ...{ created_at: '2026-01-01T00:00:00Z', activated_at: '2026-01-01T00:00:00Z' },
    ...{ current_period_started_at: '2026-10-01T00:00:00Z', current_period_ends_at: '2026-11-01T00:00:00Z' },
    ...{ trial_ends_at: null, canceled_at: null, expires_at: null, paused_at: null, resume_at: null },
    updated_at: formatInstantMs(Math.floor(updatedMs / 1_000) * 1_000),
    ...changes,
  }
}

export function triggerOf(objectType: string, id: string, type: string, time: string): ForeignObject {
  return {
    id,
    object_type: objectType,
    site_id: 'site1',
    event_type: type,
    event_time: time,
    account_code: 'cus_1',
  }
}

const sampleOf = (name: string, body: ForeignObject): Sample => ({ name, body: JSON.stringify(body) })
const changed = (time: string) => sampleOf(time, triggerOf('subscription', 'sub1', 'updated', time))
const { id: _, ...nameless } = triggerOf('subscription', 'sub1', 'updated', '2026-11-01T00:00:00Z')

const shared = {
  kind: recurlyKind,
  secrets: ['secret_in_use', 'secret_that_it_replaces'],
  otherSecret: 'secret_of_somebody_else',
  identities: new Map([
    ...['1', '1234', 'cus_1'].map(code => [`customer ${code}`, 'acme'] as const),
    ...['gold', 'bronze', '1dpt', 'daily_plan', 'bootstrap'].map(code => [`plan ${code}`, 'pro'] as const),
    ...['gold', 'bronze', '1dpt', 'daily_plan', 'bootstrap'].map(code => [`price ${code}`, 'seats'] as const),
    ['price support', 'support'],
  ]),
} as const

export const recurlyJsonSamples: SourceSamples = {
  ...shared,
  settings: { api_key: { variable: 'KEY' } },
  request({ body }, secret, atMs) {
    const signature = createHmac('sha256', secret).update(`${atMs}.${body}`).digest('hex')
    const value = `${atMs},${'0'.repeat(64)},${signature}`
    return { path: '/v1/webhooks/sample', headers: { [signatureHeader]: value }, body: Buffer.from(body) }
  },
  withoutProof: request => ({ ...request, headers: {} }),
  read: ({ object }, { occurredAtMs = 0 }) =>
    object === 'subscription' ? arrivalOfObject(subscriptionAt(occurredAtMs), occurredAtMs) : undefined,
  good: [changed('2026-11-01T00:00:00Z')],
  states: [changed('2026-11-01T00:00:00Z'), changed('2026-11-02T00:00:01Z'), changed('2026-11-03T00:00:02Z')],
  unknownType: sampleOf('unknown', triggerOf('gift_card', 'gift1', 'redeemed', '2026-11-01T00:00:00Z')),
  missingField: sampleOf('nameless', nameless),
  bodyOf(bytes) {
    const text = changed('2026-11-01T00:00:00Z').body
    return {
      name: 'large',
      body: text.replace(/}$/, `,"padding":"${'x'.repeat(bytes - text.length - 14)}"}`),
    }
  },
}

export function publishedXml(name: string): string {
  return readFileSync(new URL(`webhooks-xml/${name}_notification.xml`, import.meta.url), 'utf8')
}

const xmlSample = (name: string, body: string): Sample => ({ name, body })
const fresh = publishedXml('new_subscription')
const renewed = publishedXml('renewed_subscription').replace(
  '6ab458a887d38070807ebb3bed7ac1e5',
  'd1b6d359a01ded71caed78eaa0fedf8e',
)
const expired = publishedXml('expired_subscription').replaceAll('2010-09-24', '2010-11-24')

export const recurlyXmlSamples: SourceSamples = {
  ...shared,
  logsIn: true,
  hasNoAge: true,
  settings: { currency: 'USD' },
  request: ({ body }, secret) => ({
    path: '/v1/webhooks/sample',
    headers: { authorization: `Basic ${Buffer.from(`weir:${secret}`).toString('base64')}` },
    body: Buffer.from(body),
  }),
  withoutProof: request => ({ ...request, headers: {} }),
  good: [
    xmlSample('new', fresh),
    xmlSample('paid', publishedXml('successful_payment')),
    xmlSample('invoice', publishedXml('charge_invoice')),
  ],
  states: [
    xmlSample(
      'new',
      fresh.replace('<canceled_at type="datetime">2010-09-23T22:05:43Z', '<canceled_at nil="true">'),
    ),
    xmlSample('renewed', renewed.replaceAll('2010-09-22', '2010-10-22')),
    xmlSample('expired', expired),
  ],
  unknownType: xmlSample('unknown', publishedXml('unknown')),
  missingField: xmlSample(
    'stateless',
    fresh.replace(/<state>.*<\/state>/, '').replace(/<activated_at.*<\/activated_at>/, ''),
  ),
  bodyOf(bytes) {
    const padding = `<!--${'x'.repeat(bytes - fresh.length - 7)}-->`
    return xmlSample('large', fresh.replace('</new_subscription', `${padding}</new_subscription`))
  },
}
