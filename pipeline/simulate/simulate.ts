// simulate: a catalog and events in, charges and movements out, by the same pure core that the workers run.
// Owns what differs from the pipeline: one partition, no arrival limits, history from memory, one instant for every
// arrival. Invariant: the same events in any order and with any duplicates give the same charges.

import type { Charge } from '../../schemas/billing/charge.js'
import type { MrrMovement } from '../../schemas/billing/mrr-movement.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { parseMessage, validateEvent } from '../../schemas/event/cloud-event.js'
import type { DispositionCounts } from '../../schemas/event/dispositions.js'
import { isLifecycleType } from '../../schemas/event/event-stream.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import type { DeadLetterRow } from '../../schemas/tables.js'
import { later, nsOf, parseInstant } from '../../schemas/time.js'
import { type CoreInput, type InputMessage, PartitionCore } from '../core/core.js'
import type { Notice } from '../core/lifecycle/notices.js'
import { unlimitedCoreLimits } from '../core/ports/core-limits.js'
import { MemoryHistory } from '../core/re-rate/memory-history.js'
import { PartitionState } from '../core/state/partition-state.js'
import { type ChargeExplanation, explainCharges } from './explain.js'

export interface SimulateInput {
  readonly catalog: Catalog
  /** Bodies of events: an object, an array or NDJSON each. Their order is the order of arrival. */
  readonly bodies: readonly Uint8Array[]
  /** Undefined: the latest time of an event. */
  readonly asOfNs: bigint | undefined
  /** The time of arrival of every event, which stands in for a missing `time`. */
  readonly nowMs: number
  /** Whether to explain each charge. Default: no. */
  readonly explain?: boolean
}

export interface SimulateResult {
  readonly asOfNs: bigint
  readonly events: DispositionCounts
  readonly charges: readonly Charge[]
  readonly movements: readonly MrrMovement[]
  readonly deadLetters: readonly DeadLetterRow[]
  /** Notices of events that were accepted and have no effect yet. */
  readonly notices: readonly Notice[]
  /** The arithmetic of each charge, in their order, when it was asked for. */
  readonly explanations?: readonly ChargeExplanation[]
}

export function simulate(input: SimulateInput): SimulateResult {
  const { nowMs } = input
  const messages = input.bodies
    .filter(hasText)
    .map((bytes, seq): InputMessage => ({ seq, arrivedAtMs: nowMs, bytes }))
  const times = eventTimes(messages, nowMs)
  const asOfNs = input.asOfNs ?? times.latestNs ?? nsOf(nowMs)
  const whole = runToEnd(input.catalog, messages, nowMs)
  // What comes after that instant has not happened yet; it still counts as received.
  const isAll = (times.latestNs ?? asOfNs) <= asOfNs && (times.latestUsageNs ?? asOfNs) <= asOfNs
  const known = isAll ? whole : runToEnd(input.catalog, happenedBy(messages, asOfNs, nowMs), nowMs)
  const charges = known.core.charges(asOfNs)
  return {
    asOfNs,
    events: whole.core.counters(),
    charges,
    movements: known.core.movements(asOfNs),
    deadLetters: whole.deadLetters,
    notices: whole.core.notices(),
    ...(input.explain === true ? { explanations: explainCharges(known.state, charges, asOfNs) } : {}),
  }
}

/** Whether a file has text. One without holds no events; in a stream, an empty message is a failed event. */
function hasText(bytes: Uint8Array): boolean {
  return bytes.some(byte => byte > 0x20)
}

interface EventTimes {
  latestNs: bigint | undefined
  latestUsageNs: bigint | undefined
}

/** The times of the events. A lifecycle event counts only if it was sent with a `time`. */
function eventTimes(messages: readonly InputMessage[], nowMs: number): EventTimes {
  const times: EventTimes = { latestNs: undefined, latestUsageNs: undefined }
  for (const raw of messages.flatMap(rawEvents)) {
    const parsed = validateEvent(raw, nowMs)
    if (parsed.kind === 'rejected') continue
    const { timeNs, timeText, type } = parsed.value
    const isUsage = !isLifecycleType(type)
    if (timeText === undefined && !isUsage) continue
    times.latestNs = later(times.latestNs ?? timeNs, timeNs)
    if (isUsage) times.latestUsageNs = later(times.latestUsageNs ?? timeNs, timeNs)
  }
  return times
}

function rawEvents(message: InputMessage): unknown[] {
  const parsed = parseMessage(message.bytes)
  return parsed.kind === 'ok' ? parsed.events.flatMap(one => (one.kind === 'ok' ? [one.value] : [])) : []
}

/**
 * Drops usage after `asOfNs`, and lifecycle changes that were both sent and effective after it. A change sent
 * by then is known in advance; a change effective by then restates the past. Only the first event of an
 * identity is considered, so that dropping it does not let a conflicting one in.
 */
function happenedBy(messages: readonly InputMessage[], asOfNs: bigint, nowMs: number): InputMessage[] {
  const seen = new Set<string>()
  return messages.map(message => {
    const kept = rawEvents(message).filter(raw => {
      const parsed = validateEvent(raw, nowMs)
      if (parsed.kind === 'rejected') return false
      const identity = compositeKey(parsed.value.source, parsed.value.id)
      if (seen.has(identity)) return false
      seen.add(identity)
      return !isAhead(parsed.value, asOfNs)
    })
    return { ...message, bytes: Buffer.from(stringifyJson(kept)) }
  })
}

function isAhead({ type, timeNs, timeText, data }: ValidEvent, asOfNs: bigint): boolean {
  if (!isLifecycleType(type)) return timeNs > asOfNs
  // A change without a time that was sent is known ahead.
  if (timeText === undefined || timeNs <= asOfNs) return false
  const effectiveFrom = data['effective_from']
  const effectiveFromNs = typeof effectiveFrom === 'string' ? parseInstant(effectiveFrom) : undefined
  return effectiveFromNs !== undefined && effectiveFromNs > asOfNs
}

function runToEnd(catalog: Catalog, messages: readonly InputMessage[], nowMs: number) {
  const history = new MemoryHistory()
  const deadLetters = new Map<string, DeadLetterRow>()
  const tap = {
    only: true,
    rated: history.add.bind(history),
    deadLetter: (row: DeadLetterRow) => noteDeadLetter(deadLetters, row),
  }
  const state = new PartitionState(unlimitedCoreLimits.dedupeHorizonMs)
  state.catalog = catalog
  const core = new PartitionCore(
    { partition: 0, partitions: 1, oneSource: true, limits: unlimitedCoreLimits },
    tap,
    state,
  )
  const none: Omit<CoreInput, 'nowMs' | 'commit'> = {
    catalog: [],
    lifecycle: [],
    metering: [],
    orders: [],
    history: [],
  }
  core.process({ ...none, nowMs, commit: 1, metering: messages })
  for (let commit = 2; core.holdsCustomers(); commit += 1) {
    const answers = core.openHistoryRequests().map(request => history.answer(request))
    core.process({ ...none, nowMs, commit, history: answers })
  }
  return { core, state, deadLetters: [...deadLetters.values()] }
}

/** Adds a dead letter, or removes it when the row takes it back. */
function noteDeadLetter(deadLetters: Map<string, DeadLetterRow>, row: DeadLetterRow): void {
  const key = compositeKey(row.eventSource, row.eventId, row.code)
  if (row.eventCount < 0) deadLetters.delete(key)
  // The same broken event sent twice is two dead letters.
  else deadLetters.set(deadLetters.has(key) ? compositeKey(key, deadLetters.size) : key, row)
}
