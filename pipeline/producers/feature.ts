// The feature of producers: routes for the clients of other systems, which send usage with nothing changed but the address and
// the key. Everything ends in the gateway's own publisher.

import type { KV } from '@nats-io/kv'
import { sectionOf } from '../config/config.js'
import type { Feature, FeatureParts } from '../feature/feature.js'
import type { EventTaker } from '../gateway/event-taker.js'
import type { ApiRoute } from '../gateway/route.js'
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

export const producersFeature: Feature = {
  name: 'producers',
  routes: ({ config, identities, queries, buckets, audit }, events) =>
    producerRoutes({
      events,
      settings: sectionOf(config, producersSettings),
      identities,
      owners: ownersIn(queries),
      customersOf: customersIn(queries),
      keys: buckets.keys,
      audit,
    }),
}

export interface ProducersParts extends Pick<FeatureParts, 'identities' | 'audit'> {
  readonly events: EventTaker
  readonly settings: ProducersSettings
  readonly owners: SubscriptionOwners
  readonly customersOf: AdjustmentParts['customersOf']
  /** The bucket of API keys, for sessions. */
  readonly keys: KV
}

export function producerRoutes(parts: ProducersParts): readonly ApiRoute[] {
  const { events, settings, identities, owners, customersOf } = parts
  const of = (name: ProducerName): ProducerParts => ({
    events,
    settings: settings[name],
    customers: new Customers({ name, settings: settings[name], identities, owners }),
  })
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
