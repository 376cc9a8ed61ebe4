// Applies published catalogs and exchange rates. Every partition merges a catalog; only partition 0 counts the event and
// writes rows, so that each event is counted once over all partitions.

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { mergeCatalogs } from '../../../schemas/catalog/catalog-parser.js'
import { aggregationName } from '../../../schemas/catalog/meter-window.js'
import { parseLifecycleEvent } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { applied } from '../rows/outcome.js'
import { schemaLeadMs } from '../step/schema-book.js'
import { attributesOf, envelopeOf, type Step } from '../step/step.js'

/** Returns whether the catalog grew; then changes that wait for a plan must be tried again. */
export function applyGlobalEvents(step: Step, events: readonly ReceivedEvent[]): boolean {
  let cause: ReceivedEvent | undefined
  for (const received of events) {
    const known = step.state.catalog
    applyGlobalEvent(step, received)
    if (step.state.catalog !== known) cause = received
  }
  const { catalog } = step.state
  if (cause === undefined) return false
  step.out.catalogVersion(envelopeOf(cause), catalog)
  step.book.catalogChanged()
  return true
}

function applyGlobalEvent(step: Step, received: ReceivedEvent): void {
  const parsed = parseLifecycleEvent(received.event)
  if (parsed.kind === 'rejected') {
    refuseHere(step, received, parsed.rejection)
    return
  }
  if (parsed.value.kind === 'catalog_published') {
    const known = step.state.catalog
    const merged = mergeCatalogs(known, withStart(parsed.value.catalog, received.arrivedAtMs))
    if (merged.kind === 'conflict') {
      refuseHere(step, received, merged.rejection)
      return
    }
    const grew =
      merged.catalog.meters.length !== known.meters.length ||
      merged.catalog.plans.length !== known.plans.length ||
      merged.catalog.coupons !== known.coupons ||
      merged.catalog.schemas !== known.schemas
    if (grew) step.state.catalog = merged.catalog
    if (step.config.partition === 0) writeMeters(step, known)
  }
  if (step.config.partition !== 0) return
  step.counted('applied')
  step.outcome(attributesOf(received), applied)
  if (parsed.value.kind === 'fx_rate') step.out.fxRate(envelopeOf(received), parsed.value.rate)
}

/**
 * A partition processes no event before the catalogs that arrived that much earlier (pipeline/engine/catalog-gate.ts). So what
 * holds for an event follows from when it arrived, and from nothing else.
 */
function withStart(catalog: Catalog, arrivedAtMs: number): Catalog {
  if (catalog.schemas === undefined) return catalog
  const earliestMs = arrivedAtMs + schemaLeadMs
  const schemas = catalog.schemas.map(one => ({ ...one, fromMs: Math.max(one.fromMs ?? 0, earliestMs) }))
  return { ...catalog, schemas }
}

/** Writes a row of `meters` for each type of events of each new meter, which tells analysts how its readings add up. */
function writeMeters({ state, out }: Step, known: Catalog): void {
  for (const meter of state.catalog.meters) {
    if (known.meters.some(one => one.meter === meter.meter)) continue
    for (const eventType of meter.eventTypes)
      out.meter({ meter: meter.meter, eventType, aggregation: aggregationName(meter) })
  }
}

function refuseHere(step: Step, received: ReceivedEvent, rejection: Rejection): void {
  if (step.config.partition !== 0) return
  step.counted('dead_lettered')
  step.deadLetter(envelopeOf(received), rejection)
}
