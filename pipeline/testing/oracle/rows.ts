// Tells where a row of usage goes when it is written, and which terms were in force at its time. Contract
// section 6. A later change adds further rows and edits none.

import type { RatedUsageRow } from '../../../schemas/tables.js'
import type { Placed } from './attach.js'
import { type Subscription, segmentsOf } from './prices.js'
import { termsAt } from './terms.js'

export type OracleRow = Pick<
  RatedUsageRow,
  | 'meter'
  | 'price'
  | 'subscriptionId'
  | 'subscriptionVersion'
  | 'plan'
  | 'planVersion'
  | 'entityId'
  | 'periodFromNs'
  | 'periodUntilNs'
  | 'quantity'
  | 'currency'
  | 'dimensions'
>

export function rowOf({ usage, reading, line }: Placed, subscriptions: readonly Subscription[]): OracleRow {
  const { timeNs } = usage.event
  const owner = subscriptions.find(one => one.lines.includes(line))!
  const terms = termsAt(owner.changes, timeNs)!
  const segment = segmentsOf(line, timeNs + 1n).at(-1)!
  return {
    meter: reading.meter.meter,
    price: line.price.price,
    subscriptionId: owner.id,
    subscriptionVersion: terms.sequence,
    plan: terms.plan,
    planVersion: terms.planVersion,
    entityId: terms.entityId,
    periodFromNs: segment.fromNs,
    periodUntilNs: segment.untilNs,
    quantity: reading.quantity,
    currency: line.plan.currency,
    dimensions: reading.dimensions,
  }
}
