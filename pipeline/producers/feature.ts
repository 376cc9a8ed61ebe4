// The feature of producers: routes for the clients of other systems, which send usage with nothing changed but the address and
// the key. Everything ends in the gateway's own publisher.

import type { KV } from '@nats-io/kv'
import { sectionOf } from '../config/config.js'
import type { Feature, FeatureParts } from '../feature/feature.js'
import type { EventTaker } from '../gateway/event-taker.js'
import type { ApiRoute } from '../gateway/route.js'
import { caughtUp } from './caught-up.js'
import { Customers, ownersIn, type SubscriptionOwners } from './customers.js'
import { lagoRoutes } from './lago/routes.js'
import { metronomeRoute } from './metronome/routes.js'
import { orbRoute } from './orb/routes.js'
import type { ProducerParts } from './producer-route.js'
import { type ProducerName, type ProducersSettings, producersSettings } from './settings.js'
import { sharedIngestRoute } from './shared-ingest.js'
import { type AdjustmentParts, adjustmentRoutes, customersIn } from './stripe/adjustment.js'
import { meterEventRoutes } from './stripe/routes.js'
import { sessionRoute } from './stripe/session.js'
import { ToldBefore, type ToldBeforeParts, takenIn } from './told-before.js'

export const producersFeature: Feature = {
  name: 'producers',
  routes: ({ config, identities, queries, buckets, audit, jsm, feeds }, events) => {
    const feed = feeds.find(({ key }) => key === 'clickhouse')
    if (feed === undefined) throw new Error('No feed of ClickHouse is listed in pipeline/features.ts.')
    const behind = { jsm, sinks: buckets.sinks, feed, partitions: config.partitions }
    return producerRoutes({
      events,
      settings: sectionOf(config, producersSettings),
      identities,
      owners: ownersIn(queries),
      customersOf: customersIn(queries),
      takenUnder: takenIn(queries),
      caughtUp: customers => caughtUp(behind, customers),
      keys: buckets.keys,
      audit,
    })
  },
}

export interface ProducersParts
  extends Pick<FeatureParts, 'identities' | 'audit'>,
    Pick<ToldBeforeParts, 'takenUnder' | 'caughtUp'> {
  readonly events: EventTaker
  readonly settings: ProducersSettings
  readonly owners: SubscriptionOwners
  readonly customersOf: AdjustmentParts['customersOf']
  /** The bucket of API keys, for sessions. */
  readonly keys: KV
}

export function producerRoutes(parts: ProducersParts): readonly ApiRoute[] {
  const { events, settings, identities, owners, customersOf, takenUnder, caughtUp: isCaughtUp } = parts
  const of = (name: ProducerName): ProducerParts => {
    const { source } = settings[name]
    const toldBefore = new ToldBefore({ source, takenUnder, caughtUp: isCaughtUp, nowMs: Date.now })
    const rules = { name, settings: settings[name], identities, owners, toldBefore }
    return { events, settings: settings[name], customers: new Customers(rules) }
  }
  const [orb, metronome] = [of('orb'), of('metronome')]
  const stripe = { ...of('stripe'), settings: settings.stripe, customersOf }
  const isOn = (name: ProducerName) => settings[name].enabled
  return [
    ...(isOn('stripe')
      ? [...meterEventRoutes(stripe), ...adjustmentRoutes(stripe), sessionRoute(parts.keys, parts.audit)]
      : []),
    ...(isOn('orb') ? [orbRoute(orb)] : []),
    ...(isOn('metronome') ? [metronomeRoute(metronome)] : []),
    ...(isOn('orb') && isOn('metronome') ? [sharedIngestRoute({ orb, metronome })] : []),
    ...(isOn('lago') ? lagoRoutes(of('lago')) : []),
  ]
}
