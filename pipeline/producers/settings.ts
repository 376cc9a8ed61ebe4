// The section `producers` of the configuration: for each system whose clients may send usage to Weir, under which `source`
// its events are known, and which customer of ours it means.

import type { z as Zod } from 'zod'
import type { SettingsSection } from '../config/setting.js'

export const producerNames = ['stripe', 'orb', 'metronome', 'lago'] as const
export type ProducerName = (typeof producerNames)[number]

export interface ProducerSettings {
  readonly enabled: boolean
  /** The `source` of its events: with the id that the client gives the identity of an event, for ever. */
  readonly source: string
  /** Their customer id is ours as it stands, or the table of identities says which of ours it is. */
  readonly customers: 'as_is' | 'table'
  /** Whose ids they are, in the table. */
  readonly system: string
}

export interface StripeSettings extends ProducerSettings {
  /** The field of the payload that names the customer, as the meters at Stripe have it. */
  readonly customer_key: string
}

export type ProducersSettings = Readonly<Record<ProducerName, ProducerSettings>> & {
  readonly stripe: StripeSettings
}

export const producersSettings: SettingsSection<ProducersSettings> = {
  name: 'producers',
  settings: [],
  schema: z =>
    z
      .strictObject({
        stripe: one(z, 'stripe')
          .extend({ customer_key: z.string().min(1).max(100).default('stripe_customer_id') })
          .prefault({}),
        orb: one(z, 'orb').prefault({}),
        metronome: one(z, 'metronome').prefault({}),
        lago: one(z, 'lago').prefault({}),
      })
      .prefault({}) as unknown as Zod.ZodType<ProducersSettings>,
}

function one(z: typeof Zod, name: ProducerName) {
  return z.strictObject({
    enabled: z.boolean().default(true),
    source: z.string().min(1).max(200).default(name),
    customers: z.enum(['as_is', 'table']).default('as_is'),
    system: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,39}$/)
      .default('billing'),
  })
}
