// The month that is billed: subscriptions of ten charges each at the cutoff, half of them of an entity in euros.
// Invariant: what a subscription owes is told here in whole cents, by hand and not by `rating/`.

import { ndjsonType } from '../../schemas/event/media-types.js'
import { partitionOf } from '../../schemas/identifiers.js'

export const chargesPerSubscription = 10
export const cutoff = '2026-02-01T00:00:00Z'
/** Four prices in advance, of January and of February; one in arrears, and usage with a flat amount, of January. */
const centsInAdvance = [1_000, 250, 4_999, 101]
const centsInArrears = 777
const centsOfUsage = 300
export const centsPerSubscription =
  2n * BigInt(centsInAdvance.reduce((sum, cents) => sum + cents, 0)) + BigInt(centsInArrears + centsOfUsage)

const eventsPerMessage = 500

function text(cents: number): string {
  return (cents / 100).toFixed(2)
}

function planOf(plan: string, currency: string) {
  const recurring = { kind: 'recurring', per: 'subscription' }
  return {
    ...{ plan, version: 1, currency, billing_period: 'month' },
    prices: [
      ...centsInAdvance.map((cents, at) => ({
        ...{ price: `seat_${at}`, ...recurring, amount: text(cents), timing: 'in_advance' },
      })),
      { price: 'support', ...recurring, amount: text(centsInArrears), timing: 'in_arrears' },
      {
        ...{ price: 'calls', kind: 'usage', meter: 'calls', model: 'graduated' },
        tiers: [{ up_to: null, unit_amount: '0.01', flat_amount: text(centsOfUsage) }],
      },
    ],
  }
}

export const entities = [
  { entity: 'us', plan: 'us_pro', currency: 'USD' },
  { entity: 'de', plan: 'de_pro', currency: 'EUR' },
] as const

export const catalogMessage = JSON.stringify({
  ...{ specversion: '1.0', id: 'billing-run', source: '/crm', type: 'weir.catalog.published' },
  data: {
    catalog: {
      meters: [{ meter: 'calls', event_type: 'call', aggregation: 'count', unit: 'call' }],
      plans: entities.map(({ plan, currency }) => planOf(plan, currency)),
    },
  },
})

export const contentType = ndjsonType

/** The created events of all subscriptions, as messages of their partitions; each is made when it is asked for. */
export function* subscriptionMessages(
  subscriptions: number,
  partitions: number,
): Generator<{ readonly partition: number; readonly text: string }> {
  const lines: string[][] = Array.from({ length: partitions }, () => [])
  for (let at = 0; at < subscriptions; at += 1) {
    const customer = `customer-${at}`
    const partition = partitionOf(customer, partitions)
    const own = lines[partition]!
    own.push(createdLine(at, customer))
    if (own.length === eventsPerMessage) yield { partition, text: own.splice(0).join('') }
  }
  for (const [partition, own] of lines.entries()) if (own.length > 0) yield { partition, text: own.join('') }
}

function createdLine(at: number, customer: string): string {
  const { entity, plan } = entities[at % entities.length]!
  const data = {
    subscription_id: `sub-${at}`,
    ...{ customer_id: customer, sequence: 1, plan, entity_id: entity, contract_id: `contract-${at}` },
    effective_from: '2026-01-01T00:00:00Z',
  }
  const type = 'weir.subscription.created'
  const created = {
    ...{ specversion: '1.0', id: `created-${at}`, source: '/crm', type, subject: customer },
    data,
  }
  return `${JSON.stringify(created)}\n`
}
