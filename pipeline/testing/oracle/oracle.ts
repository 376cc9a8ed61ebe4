// The oracle that tests compare the streamed core with: contract sections 2 to 4 computed in the slow and
// obvious way, over the whole set of events at once, with nothing carried from one answer to the next.
// It shares the wire parsers of schemas/ with the product, but no arithmetic, timeline or calendar.
//
//  events ─▶ intake ─▶ changes ─▶ prices ─▶ attach ─▶ charges (usage)
//            readings   terms     calendar          ─▶ movements

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { type DispositionCounts, zeroDispositions } from '../../../schemas/event/dispositions.js'
import type { UsageRetraction } from '../../../schemas/lifecycle/usage-changes.js'
import { addedOwed, judgeCharges } from './added-charges.js'
import { attach, type Placed } from './attach.js'
import { canonical } from './canonical.js'
import { judgeChanges } from './changes.js'
import { chargesOf, type OracleCharge } from './charges.js'
import { type DeadLetter, takeIn } from './intake.js'
import { isWhole, type MendedEvent, mendUsage } from './mended.js'
import { movementsOf, type OracleMovement } from './movements.js'
import type { Subscription } from './prices.js'
import { type OracleRow, rowOf } from './rows.js'

export interface OracleAnswer {
  readonly counts: DispositionCounts
  readonly deadLetters: readonly DeadLetter[]
  readonly movements: readonly OracleMovement[]
  /** The charges whose segment begins before an instant. */
  charges(asOfNs: bigint): OracleCharge[]
  /** The rows of one event with a customer, as they are written now. */
  rows(source: string, id: string, customer: string): OracleRow[]
}

/** `batches`: the events in the order of arrival, grouped as they were handed over. */
export function oracle(
  catalog: Catalog,
  batches: readonly (readonly unknown[])[],
  arrivalMs: number,
): OracleAnswer {
  const intake = takeIn(catalog, batches, arrivalMs)
  const known = intake.catalogs.at(-1) ?? catalog
  const judged = judgeChanges(intake, known)
  const { subscriptions } = judged
  const beside = judgeCharges(intake, judged)
  const mended = mendUsage(intake)
  const used = placeUsage(mended.events, subscriptions)
  const deadLetters = [
    ...intake.deadLetters,
    ...judged.deadLetters,
    ...beside.deadLetters,
    ...mended.deadLetters,
    ...used.deadLetters,
  ]
  // "A retraction of an event not seen waits for it." An amendment that brings all of an event shows it, too.
  const isSeen = ({ customerId, eventSource, eventId }: UsageRetraction) =>
    intake.identities.has(canonical([eventSource, eventId])) ||
    intake.amendments.some(
      one =>
        isWhole(one) &&
        one.amendment.customerId === customerId &&
        one.amendment.eventSource === eventSource &&
        one.amendment.eventId === eventId,
    )
  const waiting = intake.retractions.filter(one => !isSeen(one)).length
  const customers = [...new Set(subscriptions.map(one => one.customerId))].sort()
  return {
    deadLetters,
    counts: {
      ...zeroDispositions(),
      received: batches.flat().length,
      rated: used.rated,
      applied:
        intake.applied +
        judged.applied +
        beside.applied +
        mended.applied +
        used.applied +
        intake.retractions.length -
        waiting,
      duplicate: intake.duplicate,
      conflicting: intake.conflicting,
      parked: judged.parked + beside.parked + mended.parked + used.parked + waiting,
      dead_lettered: deadLetters.length - intake.conflicting,
      unmetered: intake.unmetered + used.unmetered,
    },
    movements: customers.flatMap(customer =>
      movementsOf(
        customer,
        subscriptions.filter(one => one.customerId === customer),
        known,
      ),
    ),
    rows: (source, id, customer) =>
      used.placed
        .filter(({ usage: { event } }) => event.source === source && event.id === id)
        .filter(({ usage: { event } }) => event.subject === customer)
        .map(placed => rowOf(placed, subscriptions)),
    charges: asOfNs => [
      ...subscriptions.flatMap(one => chargesOf(one, known, used.placed, asOfNs)),
      ...addedOwed(beside, subscriptions, known, asOfNs),
    ],
  }
}

/** A retracted event stays rated, and counts for nothing. One that has not come is counted by its amendment. */
function placeUsage(events: readonly MendedEvent[], subscriptions: readonly Subscription[]) {
  const placed: Placed[] = []
  const deadLetters: DeadLetter[] = []
  const counts = { rated: 0, unmetered: 0, parked: 0, applied: 0 }
  for (const { source, id, hasCome, usage } of events) {
    const outcome = usage === 'nothing' ? [] : usage === 'unmetered' ? usage : attach(usage, subscriptions)
    if (outcome === 'parked') counts.parked += 1
    else if (outcome === 'unmetered') counts[hasCome ? outcome : 'applied'] += 1
    else if (typeof outcome === 'string') deadLetters.push({ source, id, code: outcome })
    else {
      counts[hasCome ? 'rated' : 'applied'] += 1
      placed.push(...outcome)
    }
  }
  return { placed, deadLetters, ...counts }
}
