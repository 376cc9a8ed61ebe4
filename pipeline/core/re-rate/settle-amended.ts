// Takes an amended event from where it is, and places it as it ought to be (mended.ts).
// Invariants: an event and its amendments end the same in any order (I3). What was rated is taken back by rows (I4). An
// amendment that brings everything needs no event: until it comes, the amendment is counted in its place.

import { applied, noMeter } from '../rows/outcome.js'
import { claimKey } from '../state/claim-key.js'
import type { AmendedEvent, Attributes, Envelope, WaitingAmendment } from '../state/records.js'
import { isKnownIdentity } from '../step/dedupe.js'
import type { Step } from '../step/step.js'
import {
  awaitsHistory,
  causeOf,
  dispositionOf,
  movedTo,
  outcomeOfNothing,
  supersededBy,
} from './amended-outcomes.js'
import { handOver, isElsewhere } from './hand-over.js'
import { earliestCharge, requireHistory } from './hold.js'
import { type Mended, mendedOf, originalVersion } from './mended.js'
import {
  attributesOfEvent,
  moveEvent,
  placeEvent,
  placeUnreadable,
  type Standing,
  takeWaiting,
} from './waiting.js'
import { targetOf, waitsForEvent } from './waits-for-event.js'

/** At the end of a step: every event whose amendments, retraction or own arrival may move it is placed anew. */
export function settleAmendments(step: Step): void {
  const { amendments, dedupe, maps } = step.state
  for (const key of amendments.awaited()) {
    const { eventSource, eventId } = maps.amended.get(key)!
    if (isKnownIdentity(eventSource, eventId, dedupe)) amendments.unsettle(key)
  }
  for (const key of amendments.takeUnsettled()) {
    const amended = maps.amended.get(key)
    if (amended === undefined) continue
    if (amended.isSought) showWaiting(step, amended)
    else settle(step, key, amended)
  }
}

/** Writes rows for the amendments that wait on, once. */
function showWaiting(step: Step, amended: AmendedEvent): void {
  for (const { envelope, isShown } of amended.waiting) {
    if (!isShown) step.outcome(envelope, waitsForEvent(envelope, amended, 1))
  }
  amended.waiting = amended.waiting.map(one => ({ ...one, isShown: true }))
  step.state.putAmended(amended)
}

function settle(step: Step, key: string, amended: AmendedEvent): void {
  const isFirst = settleWaiting(step, key, amended)
  const mended = mendedOf(step, amended)
  showWaiting(step, amended)
  if (mended === undefined) return
  const standing = leave(step, key, amended, mended, isFirst)
  if (standing !== undefined) placeMended(step, amended, mended, standing)
}

/** Whether one of the amendments is to be counted in the place of its event, which has not come; it is still parked. */
function settleWaiting(step: Step, key: string, amended: AmendedEvent): boolean {
  const { eventSource, eventId, original, placement, waiting } = amended
  const isUnplaced = placement === undefined || placement.kind === 'given_up'
  const isOnlyTold = original === undefined && isUnplaced
  const isKnown = isKnownIdentity(eventSource, eventId, step.state.dedupe)
  // Rows that a retraction took back tell that the event has come, unless they were those of an amendment in its place.
  const isTaken = amended.carrier === undefined && step.state.maps.retractions.get(key)?.hasTaken === true
  const carrier = isOnlyTold && !isTaken ? waiting.find(one => one.isWhole) : undefined
  const still: WaitingAmendment[] = []
  for (const one of waiting) {
    const isReady = original !== undefined || isTaken || one.isWhole
    if (!isReady && !isKnown) {
      still.push(one)
      continue
    }
    const { envelope } = one
    if (one.isShown) step.outcome(envelope, waitsForEvent(envelope, amended, -1))
    if (one === carrier) amended.carrier = { amendment: attributesOnly(envelope), eventSource, eventId }
    else if (isReady) {
      step.moved('parked', 'applied')
      step.outcome(envelope, { ...applied, target: targetOf(amended) })
    } else refuseAlone(step, amended, one)
  }
  if (isKnown && original === undefined) amended.latest = amended.latestWhole
  amended.waiting = still
  return carrier !== undefined
}

/** The envelope without its payload. */
function attributesOnly({ payload: _, ...attributes }: Envelope): Attributes {
  return attributes
}

/** For an amendment that leaves something to its event, of an event of which nothing is kept. */
function refuseAlone(
  step: Step,
  { eventSource, eventId }: AmendedEvent,
  { envelope }: WaitingAmendment,
): void {
  step.moved('parked', 'dead_lettered')
  step.deadLetter(envelope, {
    code: 'event_not_kept',
    detail: `Nothing is kept of the event ${eventId} of ${eventSource}: no meter wanted it, or it is no usage of this customer. An amendment that brings type, time and data needs nothing of it.`,
    pointer: '/data/event_id',
  })
}

/** Takes the event from where it is; undefined when it may stay there, or history must come first. */
function leave(
  step: Step,
  key: string,
  amended: AmendedEvent,
  mended: Mended,
  isFirst: boolean,
): Standing | undefined {
  const { original, placement } = amended
  if (placement === undefined || placement.kind === 'given_up') return isFirst ? 'parked' : undefined
  if (placement.version === mended.version) return undefined
  if (original !== undefined) {
    const attributes = attributesOfEvent(original.event)
    if (placement.kind === 'set_aside' && placement.isShown) step.outcome(attributes, awaitsHistory(-1))
    if (dispositionOf(step, key, amended) === 'unmetered')
      step.outcome(attributes, { ...noMeter, change: -1 })
  }
  if (placement.kind !== 'placed') return dispositionOf(step, key, amended)
  const waiting = step.state.maps.waiting.get(key)
  if (waiting !== undefined) return takeWaiting(step, waiting)
  const fromNs = earliestCharge(step, placement.customerId)
  if (fromNs === undefined) return 'rated'
  requireHistory(step, placement.customerId, fromNs, causeOf(amended))
  return undefined
}

function placeMended(step: Step, amended: AmendedEvent, mended: Mended, standing: Standing): void {
  const { customerId: sentFor, eventKey } = amended
  const { version } = mended
  const goesTo =
    mended.kind === 'event' && isElsewhere(step, mended.event.customerId)
      ? mended.event.customerId
      : undefined
  if (amended.placement?.kind === 'handed_over' && amended.placement.customerId !== goesTo) {
    handOver(step, amended, amended.placement.customerId, undefined)
  }
  if (mended.kind === 'event' && goesTo !== undefined) {
    handOver(step, amended, goesTo, mended)
    step.state.putAmended({ ...amended, placement: { kind: 'handed_over', version, customerId: goesTo } })
    moveEvent(step, sentFor, eventKey, standing, 'rated')
    if (amended.original !== undefined) {
      step.outcome(attributesOfEvent(amended.original.event), movedTo(goesTo, amended))
    }
    return
  }
  if (mended.kind === 'nothing') {
    const { disposition } = mended
    step.state.putAmended({ ...amended, placement: { kind: 'nothing', version, disposition } })
    moveEvent(step, sentFor, eventKey, standing, disposition)
    if (amended.original !== undefined) {
      step.outcome(attributesOfEvent(amended.original.event), outcomeOfNothing(amended, mended))
    }
    return
  }
  const { event, raw } = mended
  step.state.putAmended({
    ...amended,
    placement: { kind: 'placed', version, customerId: event.customerId },
  })
  if (mended.kind === 'event') placeEvent(step, event, raw, standing, sentFor)
  else placeUnreadable(step, event, raw, mended.rejection, standing, sentFor)
  if (amended.original === undefined || version === originalVersion) return
  const key = claimKey(sentFor, eventKey)
  const now = step.state.maps.amended.get(key)
  if (now?.placement?.kind !== 'placed' || dispositionOf(step, key, now) !== 'rated') return
  step.outcome(attributesOfEvent(amended.original.event), supersededBy(amended))
}
