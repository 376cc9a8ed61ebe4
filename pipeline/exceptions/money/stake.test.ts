// What an event would owe, worked by hand: 40 units are used, the first 100 cost 1, further ones 0.5.

import { expect, test } from 'vitest'
import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { resolvePrices, type SubscriptionPrices } from '../../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline/timeline.js'
import { parseCatalog } from '../../../schemas/catalog/catalog-parser.js'
import { validateEvent } from '../../../schemas/event/cloud-event.js'
import { parseJson } from '../../../schemas/json/json-text.js'
import { parseLifecycleEvent } from '../../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled, scaledOne } from '../../../schemas/money/decimal.js'
import { parseInstant } from '../../../schemas/time.js'
import { basisOf } from '../../core/rate/basis.js'
import { lenientReadings } from './lenient-readings.js'
import { nearestTerms } from './nearest-terms.js'
import { stakeOf } from './stake-of-event.js'

const parsed = parseCatalog(
  `
meters:
  - { meter: tokens, event_type: llm, aggregation: sum, value: usage.tokens, filters: { region: [eu] }, dimensions: [model] }
plans:
  - plan: pro
    version: 1
    currency: EUR
    billing_period: month
    prices:
      - price: tokens
        kind: usage
        meter: tokens
        model: graduated
        tiers: [ { up_to: "100", unit_amount: "1" }, { up_to: null, unit_amount: "0.5" } ]
`,
  'catalog.yaml',
)
if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
const catalog = new CatalogIndex(parsed.catalog)

function subscription(id: string, from: string, until?: string): SubscriptionPrices {
  const event = validateEvent(
    {
      specversion: '1.0',
      id,
      source: 's',
      type: 'weir.subscription.created',
      subject: 'c',
      data: {
        subscription_id: id,
        customer_id: 'c',
        sequence: 1,
        plan: 'pro',
        plan_version: 1,
        effective_from: from,
        ...(until === undefined ? {} : { effective_until: until }),
      },
    },
    0,
  )
  const change = event.kind === 'ok' ? parseLifecycleEvent(event.value) : event
  if (change.kind !== 'ok' || change.value.kind !== 'subscription_change')
    throw new Error(JSON.stringify(change))
  return resolvePrices(resolveTimeline([change.value.change])!, catalog)
}

const january = subscription('january', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z')

/** The amount, or why it is not known. */
function worth(data: string, at: string, subscriptions: readonly SubscriptionPrices[] = [january]): string {
  const json = parseJson(data)
  const value = json.kind === 'ok' ? (json.value as Record<string, unknown>) : {}
  const read = lenientReadings(value, catalog.metersOfType('llm'))
  if (read.kind !== 'ok') return read.why
  const timeNs = parseInstant(at)!
  const nearest = nearestTerms({ timeNs, subscriptionId: '', readings: read.readings }, subscriptions)
  if (nearest.kind !== 'ok') return nearest.why
  const [one] = nearest.priced
  const usage = { kind: 'total', total: 40n * scaledOne } as const
  const amount = stakeOf({ source: 's', id: 'e', timeNs }, one!, basisOf(one!.segment, catalog), usage)
  return formatScaled(amount!)
}

test('the amount is what the event adds to the charge as it stands, to the last digit', () => {
  const at = '2026-01-10T00:00:00Z'
  expect(worth('{"region":"eu","usage":{"tokens":60}}', at)).toBe('60')
  expect(worth('{"region":"eu","usage":{"tokens":80}}', at)).toBe('70') // 60 x 1 + 20 x 0.5
  expect(worth('{"region":"eu","usage":{"tokens":0.000000000003}}', at)).toBe('0.000000000003')
  expect(worth('{"region":"eu","usage":{"tokens":" 1e1 "}}', at)).toBe('10')
})

test('what is missing, is no number or has no terms is not known', () => {
  const at = '2026-01-10T00:00:00Z'
  expect(worth('{"region":"eu"}', at)).toBe('the value of the meter tokens is missing')
  expect(worth('{"region":"eu","usage":{"tokens":"ten"}}', at)).toBe(
    'the value of the meter tokens is not a number',
  )
  expect(worth('{"region":"eu","usage":{"tokens":"1,000"}}', at)).toBe(
    'the value of the meter tokens is not a number',
  )
  expect(worth('{"region":"eu","usage":{"tokens":-1}}', at)).toBe('the value of the meter tokens is negative')
  expect(worth('{"region":"eu","usage":{"tokens":1}}', at, [])).toBe('the customer has no subscription')
  const both = [january, subscription('other', '2026-01-05T00:00:00Z')]
  expect(worth('{"region":"eu","usage":{"tokens":1}}', at, both)).toBe(
    'several subscriptions price the meter tokens',
  )
})

test('where nothing is in force, the terms nearest in time count', () => {
  const tokens = '{"region":"eu","usage":{"tokens":1}}'
  expect(worth(tokens, '2027-06-01T00:00:00Z')).toBe('1')
  expect(worth(tokens, '2020-06-01T00:00:00Z')).toBe('1')
  const far = subscription('far', '2026-08-01T00:00:00Z')
  expect(worth(tokens, '2026-02-02T00:00:00Z', [far, january])).toBe('1')
})
