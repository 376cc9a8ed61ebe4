// Where usage goes, by the oracle. Contract section 2, "Attach": to the customer's one subscription whose version in
// force at the event's time has a price on the meter. An event is atomic.

import type { PriceModel } from '../../../schemas/catalog/catalog.js'
import type { UsageEvent } from './intake.js'
import type { Line, Subscription } from './prices.js'
import type { Reading } from './readings.js'
import { termsAt } from './terms.js'

/** One reading on one price, and its matrix cell. */
export interface Placed {
  readonly usage: UsageEvent
  readonly reading: Reading
  readonly line: Line
  readonly cell: number
}

/** What it is placed on; 'parked' when no meter of it can be attached yet; else the code of its dead letter. */
export function attach(usage: UsageEvent, subscriptions: readonly Subscription[]): Placed[] | string {
  const { subject, subscriptionId: pinned, timeNs } = usage.event
  const placed: Placed[] = []
  if (typeof usage.readings === 'string') return usage.readings
  for (const reading of usage.readings) {
    const matching = subscriptions
      .filter(one => one.customerId === subject && (pinned === undefined || pinned === one.id))
      .map(one => ({ changes: one.changes, lines: one.lines.filter(line => prices(line, reading, timeNs)) }))
      .filter(one => one.lines.length > 0)
    if (matching.length > 1) return 'ambiguous_subscription'
    for (const { changes, lines } of matching) {
      if (termsAt(changes, timeNs)!.status === 'suspended') return 'subscription_suspended'
      for (const line of lines) {
        const cell = cellOf(line, reading)
        if (cell === undefined) return 'no_matrix_cell'
        placed.push({ usage, reading, line, cell })
      }
    }
  }
  return placed.length === 0 ? 'parked' : placed
}

function prices({ price, fromNs, untilNs }: Line, { meter }: Reading, timeNs: bigint): boolean {
  return price.kind === 'usage' && price.meter === meter.meter && fromNs <= timeNs && timeNs < untilNs
}

/** The matching cell that names the most dimensions, else -1 for the default; undefined: there is none. 0 without a matrix. */
export function cellOf({ price }: Line, { dimensions }: Reading): number | undefined {
  const model: PriceModel | undefined = price.kind === 'usage' ? price.model : undefined
  if (model?.model !== 'matrix') return 0
  const matching = [...model.cells.keys()].filter(cell =>
    [...model.cells[cell]!.when].every(([dimension, value]) => dimensions.get(dimension) === value),
  )
  const most = Math.max(...matching.map(cell => model.cells[cell]!.when.size))
  const winners = matching.filter(cell => model.cells[cell]!.when.size === most)
  if (winners.length > 1) throw new Error('Two cells match an event with equally many dimensions.')
  return winners[0] ?? (model.default === undefined && model.defaultUnitAmount === undefined ? undefined : -1)
}
