// Amended events among a customer's rated usage: which of the rows that history gave belong to one, and whether they are
// still what counts.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { claimKey } from '../state/claim-key.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { AmendedEvent } from '../state/records.js'
import type { Step } from '../step/step.js'
import { mendedOf, originalVersion } from './mended.js'
import { payloadFromReadings } from './payload.js'

/** The amended event that has rows with this customer under an identity, its own or one that was moved there. */
export function amendedAt({ state }: Step, customerId: string, eventKey: string): AmendedEvent | undefined {
  const { amended } = state.maps
  if (amended.size === 0) return undefined
  const moved = state.amendments.movedTo(customerId, eventKey)
  if (moved !== undefined) return amended.get(moved)
  const own = amended.get(claimKey(customerId, eventKey))
  if (own?.placement === undefined) return own
  return own.placement.kind === 'placed' && own.placement.customerId === customerId ? own : undefined
}

/** Whether the event's rows must be taken back, because it ought to be otherwise. `event`: as its rows tell it. */
export function mustLeave(step: Step, amended: AmendedEvent, event: KeyedEvent): boolean {
  if (amended.placement === undefined) foundInHistory(step, amended, event, step.book.catalog)
  const { placement } = amended
  return placement?.kind === 'placed' && mendedOf(step, amended)?.version !== placement.version
}

/** The event was rated before its first amendment came. */
function foundInHistory(step: Step, amended: AmendedEvent, event: KeyedEvent, catalog: CatalogIndex): void {
  const { customerId, eventKey } = amended
  amended.original = { event, payload: payloadFromReadings(event, catalog), refusal: undefined }
  amended.placement = { kind: 'placed', version: originalVersion, customerId }
  step.state.putAmended(amended)
  step.state.amendments.unsettle(claimKey(customerId, eventKey))
}

/** Its rows were taken back: it is placed anew at the end of the step. */
export function wasTakenBack(step: Step, amended: AmendedEvent): void {
  amended.placement = { kind: 'set_aside', version: '', disposition: 'rated', isShown: false }
  step.state.putAmended(amended)
  step.state.amendments.unsettle(claimKey(amended.customerId, amended.eventKey))
}

/** The customer's history has come: what it does not hold was not rated. */
export function soughtInHistory(step: Step, customerId: string): void {
  for (const key of step.state.amendments.soughtOf(customerId)) {
    const amended = step.state.maps.amended.get(key)
    if (amended === undefined) continue
    amended.isSought = false
    step.state.putAmended(amended)
    step.state.amendments.unsettle(key)
  }
}
