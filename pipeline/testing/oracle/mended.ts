// What becomes of each usage event after its amendments and retraction, by the oracle. Contract section 2: the latest
// amendment by its own time, then id, holds over the event as it came; a retraction is final. As long as the event has not
// come, only an amendment that brings type, time and data, or withdraws the event, can hold.

import { isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { canonical } from './canonical.js'
import type { DeadLetter, Intake, ReceivedAmendment, UsageEvent } from './intake.js'
import { readingsOf } from './readings.js'

/** One customer's event: as it ought to be, or that it counts for nothing. */
export interface MendedEvent {
  readonly source: string
  readonly id: string
  /** False: only an amendment told of it, and is counted in its place. */
  readonly hasCome: boolean
  readonly usage: UsageEvent | 'nothing' | 'unmetered'
}

export interface MendedUsage {
  readonly events: readonly MendedEvent[]
  readonly deadLetters: readonly DeadLetter[]
  readonly applied: number
  readonly parked: number
}

export function mendUsage(intake: Intake): MendedUsage {
  const customersEvents = new Map<string, { original: UsageEvent | undefined; all: ReceivedAmendment[] }>()
  const of = (customer: string, source: string, id: string) => {
    const key = canonical([customer, source, id])
    const known = customersEvents.get(key) ?? { original: undefined, all: [] }
    customersEvents.set(key, known)
    return known
  }
  for (const usage of intake.usage)
    of(usage.event.subject, usage.event.source, usage.event.id).original = usage
  for (const one of intake.amendments) {
    const { customerId, eventSource, eventId } = one.amendment
    of(customerId, eventSource, eventId).all.push(one)
  }
  const events: MendedEvent[] = []
  const deadLetters: DeadLetter[] = []
  let applied = 0
  let parked = 0
  for (const { original, all } of customersEvents.values()) {
    const ready = all.filter(one => original !== undefined || isWhole(one)).sort(byTimeAndId)
    const holder = ready.at(-1)
    // Without its event one amendment is counted in its place.
    applied += original === undefined ? Math.max(0, ready.length - 1) : ready.length
    for (const { event, amendment } of all.filter(one => !ready.includes(one))) {
      const isSeen = intake.identities.has(canonical([amendment.eventSource, amendment.eventId]))
      if (isSeen) deadLetters.push({ source: event.source, id: event.id, code: 'event_not_kept' })
      else parked += 1
    }
    if (holder === undefined && original === undefined) continue
    const { source, id } = original?.event ?? {
      source: holder!.amendment.eventSource,
      id: holder!.amendment.eventId,
    }
    const hasCome = original !== undefined
    events.push({ source, id, hasCome, usage: asItOughtToBe(intake, original, holder) })
  }
  return { events, deadLetters, applied, parked }
}

export function isWhole({ amendment: { type, eventTimeNs, data, isWithdrawn } }: ReceivedAmendment): boolean {
  return isWithdrawn || (type !== undefined && eventTimeNs !== undefined && data !== undefined)
}

function byTimeAndId({ event: a }: ReceivedAmendment, { event: b }: ReceivedAmendment): number {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1
  if (a.id !== b.id) return a.id < b.id ? -1 : 1
  return a.source < b.source ? -1 : 1
}

function asItOughtToBe(
  intake: Intake,
  original: UsageEvent | undefined,
  holder: ReceivedAmendment | undefined,
): UsageEvent | 'nothing' | 'unmetered' {
  const sentFor = original?.event.subject ?? holder?.amendment.customerId
  const { source, id } = original?.event ?? {
    source: holder?.amendment.eventSource,
    id: holder?.amendment.eventId,
  }
  const isRetracted = intake.retractions.some(
    one => one.customerId === sentFor && one.eventSource === source && one.eventId === id,
  )
  if (isRetracted || holder?.amendment.isWithdrawn === true) return 'nothing'
  if (holder === undefined) return original!
  const { amendment, batch } = holder
  const type = amendment.type ?? original!.event.type
  const event = {
    ...(original?.event ?? holder.event),
    source: amendment.eventSource,
    id: amendment.eventId,
    type,
    subject: amendment.movedTo ?? amendment.customerId,
    timeNs: amendment.eventTimeNs ?? original!.event.timeNs,
    subscriptionId: amendment.subscriptionId ?? original?.event.subscriptionId,
  }
  if (amendment.data === undefined) return { event, readings: original!.readings, batch }
  const parsed = parseJson(amendment.data)
  const data = parsed.kind === 'ok' && isRecord(parsed.value) ? parsed.value : {}
  // It is read when its type is known.
  const readIn = amendment.type === undefined ? Math.max(batch, original!.batch) : batch
  const meters = intake.catalogs[readIn]!.meters.filter(one => one.eventTypes.includes(type))
  const readings = readingsOf(data, meters)
  return readings.length === 0 ? 'unmetered' : { event: { ...event, data }, readings, batch }
}
