// The shapes that every system is read into: what is found, what is billed there, what becomes events of ours.

import type { BillingPeriod } from '../../schemas/catalog/billing-period.js'
import type { ForeignObject } from './fields.js'

/** What became of a thing that could not be said as it stands. */
export type FindingEffect =
  /** It is not in the catalog or among the events. */
  | 'left_out'
  /** It is there, and means something else than with them where the detail says so. */
  | 'differs'
  /** Nothing that Weir rates. */
  | 'note'

export interface Finding {
  /** The kind of object in the words of the system, such as `price`. */
  readonly object: string
  readonly id: string
  readonly field: string
  readonly code: string
  readonly effect: FindingEffect
  readonly detail: string
}

/** A CloudEvent as contract 2 has it. */
export interface ImportedEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly subscriptionid?: string
  readonly data: ForeignObject
}

export interface ImportedIdentity {
  readonly object: 'customer' | 'plan' | 'price' | 'entity'
  readonly system: string
  readonly theirs: string
  readonly ours: string
}

export const billedKinds = ['usage', 'recurring', 'manual', 'tax', 'credit', 'commitment'] as const
export type BilledKind = (typeof billedKinds)[number]

/** A line that the other system billed, in the currency's own unit. What a line does not tell is left out. */
export interface BilledLine {
  readonly id: string
  readonly invoice: string
  readonly customer: string
  /** '' for a line of no subscription. */
  readonly subscription: string
  /** The price of ours; '' for a line of no price. */
  readonly price: string
  readonly kind: BilledKind
  readonly currency: string
  /** As billed: rounded, before tax and credits, which are lines of their own. */
  readonly amount: string
  /** Before their rounding. */
  readonly exact?: string
  readonly quantity?: string
  readonly unit_amount?: string
  readonly from: string
  readonly until: string
  readonly proration?: true
  readonly issued_at?: string
  readonly detail?: string
}

/** When the other system got an event. */
export interface SeenEvent {
  readonly source: string
  readonly id: string
  readonly seen_at: string
}

export type Wire = Readonly<Record<string, unknown>>

export interface ImportedPrice {
  readonly wire: Wire
  /** Where it comes from, for whoever reads the catalog. */
  readonly note?: string
}

export interface ImportedPlan {
  readonly plan: string
  readonly version: number
  readonly currency: string
  readonly billingPeriod: BillingPeriod
  readonly proration: 'second' | 'day'
  readonly prices: readonly ImportedPrice[]
  readonly note?: string
}

export interface ImportedMeter {
  readonly wire: Wire & { readonly meter: string }
  readonly note?: string
}

/** What a system was read into, before it is checked. */
export interface Imported {
  readonly meters: readonly ImportedMeter[]
  readonly plans: readonly ImportedPlan[]
  readonly identities: readonly ImportedIdentity[]
  readonly lifecycle: readonly ImportedEvent[]
  readonly usage: readonly ImportedEvent[]
  readonly seen: readonly SeenEvent[]
  readonly billed: readonly BilledLine[]
  /** How many objects of each kind there were. */
  readonly read: Readonly<Record<string, number>>
}

/** `[fromNs, untilNs)`. */
export interface Period {
  readonly text: string
  readonly fromNs: bigint
  readonly untilNs: bigint
}

export interface ImportOptions {
  readonly period: Period
  /** The name of their ids among the identities, as sources and producers have it. */
  readonly system: string
  /** The `source` of usage, as the producers of that system have it. */
  readonly usageSource: string
  /** The field of metadata that holds our id of a customer; else their id is ours. */
  readonly customerKey: string | undefined
}
