// As what an amended event is counted, and what rows tell of it beside those of rated usage and its dead letters.

import type { Cause } from '../rate/rate.js'
import { noMeter, type Outcome, retractedUnrated, superseded, waitsFor, withdrawn } from '../rows/outcome.js'
import type { AmendedEvent } from '../state/records.js'
import type { Step } from '../step/step.js'
import { holderOf, type Mended, retractedVersion } from './mended.js'
import type { Standing } from './waiting.js'

/** As what the event is counted, itself or by its amendment; undefined for one that was given up. */
export function dispositionOf(
  step: Step,
  key: string,
  { placement }: AmendedEvent,
): Exclude<Standing, 'received'> | undefined {
  switch (placement?.kind) {
    case undefined:
    case 'given_up':
      return undefined
    case 'nothing':
    case 'set_aside':
      return placement.disposition
    case 'handed_over':
      return 'rated'
    case 'placed': {
      const state = step.state.maps.waiting.get(key)?.state.kind
      if (state === undefined) return 'rated'
      return state === 'parked' || state === 'held' ? 'parked' : 'dead_lettered'
    }
    default:
      return placement satisfies never
  }
}

export function causeOf(amended: AmendedEvent): Cause {
  const holder = holderOf(amended)
  if (holder === undefined) return { source: amended.eventSource, id: amended.eventId, correlationId: '' }
  return { source: holder.order.source, id: holder.order.id, correlationId: holder.correlationId }
}

export function outcomeOfNothing(
  amended: AmendedEvent,
  { version, disposition }: Mended & { kind: 'nothing' },
): Outcome {
  if (disposition === 'unmetered') return noMeter
  return version === retractedVersion ? retractedUnrated : { ...withdrawn, ...heldBy(amended) }
}

export function supersededBy(amended: AmendedEvent): Outcome {
  return { ...superseded, ...heldBy(amended) }
}

/** It counts in the partition of the other customer, and there by an amendment that brings all of it. */
export function movedTo(customerId: string, amended: AmendedEvent): Outcome {
  const { detail, target } = heldBy(amended)
  return { ...superseded, code: 'moved', detail: `${detail} The event counts for ${customerId}.`, target }
}

/** What tells of the amendment that holds. */
export function heldBy(amended: AmendedEvent): Required<Pick<Outcome, 'detail' | 'target'>> {
  const { source, id } = causeOf(amended)
  return { detail: `The amendment ${id} of ${source} holds.`, target: { source, id } }
}

export function awaitsHistory(change: 1 | -1): Outcome {
  return { disposition: 'parked', code: waitsFor.history, detail: '', change, payload: '' }
}
