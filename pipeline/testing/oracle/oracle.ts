// The oracle that tests compare the streamed core with: contract sections 2 to 4 computed in the slow and
// obvious way, over the whole set of events at once, with nothing carried from one answer to the next.
// It shares the wire parsers of schemas/ with the product, but no arithmetic, timeline or calendar.
//
//  events ─▶ intake ─▶ changes ─▶ prices ─▶ attach ─▶ charges (usage)
//            readings   terms     calendar          ─▶ movements

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { type DispositionCounts, zeroDispositions } from '../../../schemas/event/dispositions.js'
import { attach, type Placed } from './attach.js'
import { canonical } from './canonical.js'
import { judgeChanges } from './changes.js'
import { chargesOf, type OracleCharge } from './charges.js'
import { type DeadLetter, type Intake, takeIn } from './intake.js'
import { movementsOf, type OracleMovement } from './movements.js'
import type { Subscription } from './prices.js'
import { type OracleRow, rowOf } from './rows.js'

export interface OracleAnswer {
  readonly counts: DispositionCounts
  readonly deadLetters: readonly DeadLetter[]
  readonly movements: readonly OracleMovement[]
  /** The charges whose segment begins before an instant. */
  charges(asOfNs: bigint): OracleCharge[]
  /** The rows of one event, as they are written now. */
  rows(source: string, id: string): OracleRow[]
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
  const used = placeUsage(intake, subscriptions)
  const deadLetters = [...intake.deadLetters, ...judged.deadLetters, ...used.deadLetters]
  // "A retraction of an event not seen waits for it."
  const isSeen = (source: string, id: string) => intake.identities.has(canonical([source, id]))
  const waiting = intake.retractions.filter(one => !isSeen(one.eventSource, one.eventId)).length
  const customers = [...new Set(subscriptions.map(one => one.customerId))].sort()
  return {
    deadLetters,
    counts: {
      ...zeroDispositions(),
      received: batches.flat().length,
      rated: used.rated,
      applied: intake.applied + judged.applied + intake.retractions.length - waiting,
      duplicate: intake.duplicate,
      conflicting: intake.conflicting,
      parked: judged.parked + used.parked + waiting,
      dead_lettered: deadLetters.length - intake.conflicting,
      unmetered: intake.unmetered,
    },
    movements: customers.flatMap(customer =>
      movementsOf(
        customer,
        subscriptions.filter(one => one.customerId === customer),
      ),
    ),
    rows: (source, id) =>
      used.placed
        .filter(({ usage: { event } }) => event.source === source && event.id === id)
        .map(placed => rowOf(placed, subscriptions)),
    charges: asOfNs => subscriptions.flatMap(one => chargesOf(one, known, used.placed, asOfNs)),
  }
}

/** A retracted event stays rated, and counts for nothing. */
function placeUsage(intake: Intake, subscriptions: readonly Subscription[]) {
  const placed: Placed[] = []
  const deadLetters: DeadLetter[] = []
  let rated = 0
  let parked = 0
  for (const usage of intake.usage) {
    const { source, id, subject } = usage.event
    const isRetracted = intake.retractions.some(
      one => one.customerId === subject && one.eventSource === source && one.eventId === id,
    )
    const outcome = isRetracted ? [] : attach(usage, subscriptions)
    if (outcome === 'parked') parked += 1
    else if (typeof outcome === 'string') deadLetters.push({ source, id, code: outcome })
    else {
      rated += 1
      placed.push(...outcome)
    }
  }
  return { placed, deadLetters, rated, parked }
}
