// Applies published catalogs and exchange rates. Every partition merges a catalog; partition 0 alone counts the event
// and writes rows, so that each is counted once in the whole.

import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { mergeCatalogs } from '../../../schemas/catalog/catalog-parser.js'
import { parseLifecycleEvent } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { type Batch, envelopeOf } from '../step/batch.js'

/** Returns whether the catalog grew, so that what waits for a plan is tried again. */
export function applyGlobalEvents(batch: Batch, events: readonly ReceivedEvent[]): boolean {
  const before = batch.state.catalog
  for (const received of events) applyGlobalEvent(batch, received)
  if (batch.state.catalog === before) return false
  batch.book.catalogChanged()
  return true
}

function applyGlobalEvent(batch: Batch, received: ReceivedEvent): void {
  const parsed = parseLifecycleEvent(received.event)
  if (parsed.kind === 'rejected') {
    refuseHere(batch, received, parsed.rejection)
    return
  }
  if (parsed.value.kind === 'catalog_published') {
    const known = batch.state.catalog
    const merged = mergeCatalogs(known, parsed.value.catalog)
    if (merged.kind === 'conflict') {
      refuseHere(batch, received, merged.rejection)
      return
    }
    const grew =
      merged.catalog.meters.length !== known.meters.length ||
      merged.catalog.plans.length !== known.plans.length
    if (grew) batch.state.catalog = merged.catalog
    if (batch.config.partition === 0) writeMeters(batch, known)
  }
  if (batch.config.partition !== 0) return
  batch.counted('applied')
  if (parsed.value.kind === 'fx_rate') batch.out.fxRate(envelopeOf(received), parsed.value.rate)
}

/** For analysts: how the readings of each new meter add up. */
function writeMeters({ state, out }: Batch, known: Catalog): void {
  for (const meter of state.catalog.meters) {
    if (known.meters.some(one => one.meter === meter.meter)) continue
    out.meter({ meter: meter.meter, eventType: meter.eventType, aggregation: meter.aggregation })
  }
}

function refuseHere(batch: Batch, received: ReceivedEvent, rejection: Rejection): void {
  if (batch.config.partition !== 0) return
  batch.counted('dead_lettered')
  batch.deadLetter(envelopeOf(received), rejection)
}
