// One step of a mapper: some arrivals become events that are published, go on the shelf, or are ignored, and then what became
// of them is put on record with the position of the source.
//
//   map (pure) ─▶ publish ─▶ shelf, states ─▶ ARRIVAL_OUTCOMES with the checkpoint ─▶ off the shelf
//
// Invariants:
// 1. The order above: after a crash between any two of them the step is made again with the same events, which are
//    duplicates.
// 2. An arrival that cannot be mapped or published waits by itself; the others of the step go on.

import type { ArrivalOutcome, SourceCheckpoint } from '../../schemas/arrival-outcome.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { IdentityLookup } from '../feature/identity-lookup.js'
import type { EventTaker } from '../gateway/event-taker.js'
import type { Caller } from '../gateway/scopes.js'
import { partitionStopped } from '../gateway/sort-events.js'
import type { MadeEvent } from './map/made-events.js'
import { type Fault, type Mapper, mapArrival, type Outcome } from './map/map-arrival.js'
import type { RulesInForce } from './mapping-rules.js'
import type { ObjectStates } from './object-states.js'
import type { OpenSource } from './open-sources.js'
import type { OutcomeLog } from './outcome-log.js'
import type { CustomerHomes } from './owners/customer-homes.js'
import type { Owners } from './settle-owned.js'
import type { Arrival, FetchWhat } from './source-kind.js'
import type { WaitingArrival, WaitingShelf } from './waiting-shelf.js'

export interface SettleParts {
  readonly source: OpenSource
  readonly events: EventTaker
  readonly identities: IdentityLookup
  readonly outcomes: OutcomeLog
  readonly shelf: WaitingShelf
  readonly states: ObjectStates
  readonly nowMs: () => number
  readonly owners?: Owners
  readonly homes?: CustomerHomes
  /** For tests: called between any two steps. */
  readonly onStep?: (step: SettleStep) => void
}

export const settleSteps = ['mapped', 'published', 'shelved', 'recorded', 'unshelved'] as const
export type SettleStep = (typeof settleSteps)[number]

export interface ToSettle {
  readonly arrival: Arrival
  /** Its events may have been sent before in other words: they get ids that name the revision. */
  readonly isCorrection: boolean
}

/** A source may send usage and changes, and never prices. */
export const sourceCaller: Caller = {
  keyId: undefined,
  scopes: new Set(['ingest:usage', 'ingest:lifecycle']),
}

/** An object is to be read. */
export const fetchPending = 'fetch_pending'
const detailLength = 4_000
const mostProblems = 20

/** What became of each, by place. */
export async function settle(
  parts: SettleParts,
  all: readonly ToSettle[],
  inForce: RulesInForce,
  checkpoint: SourceCheckpoint,
): Promise<readonly ArrivalOutcome[]> {
  const told = await Promise.all(all.map(one => mapOne(parts, one, inForce, checkpoint.revision)))
  const mapped: Outcome[] = []
  for (const [index, outcome] of told.entries())
    mapped.push((await parts.owners?.settled(outcome, all[index]!.arrival)) ?? outcome)
  parts.onStep?.('mapped')
  const settled = await publish(parts, all, mapped)
  parts.onStep?.('published')
  for (const [index, { arrival }] of all.entries()) await shelve(parts, arrival, settled[index]!, inForce)
  parts.onStep?.('shelved')
  const outcomes = all.map(({ arrival }, index) => outcomeRow(arrival, settled[index]!))
  await record(parts, checkpoint, outcomes)
  parts.onStep?.('recorded')
  await unshelve(parts, outcomes)
  parts.onStep?.('unshelved')
  return outcomes
}

/** Puts outcomes that are known already on record, such as that an object was read in place of an arrival. */
export async function record(
  { source, outcomes: log, nowMs }: Pick<SettleParts, 'source' | 'outcomes' | 'nowMs'>,
  checkpoint: SourceCheckpoint,
  outcomes: readonly ArrivalOutcome[],
): Promise<void> {
  const { settings, kind } = source
  const at = formatInstantMs(nowMs())
  await log.write({ source: settings.name, kind: kind.kind, at, checkpoint, outcomes: [...outcomes] })
}

export async function unshelve(
  { shelf }: Pick<SettleParts, 'shelf'>,
  outcomes: readonly ArrivalOutcome[],
): Promise<void> {
  for (const { arrival_id, state } of outcomes)
    if (state !== 'waiting' && shelf.get(arrival_id) !== undefined) await shelf.take(arrival_id)
}

async function mapOne(
  { source, identities, states, owners, homes }: SettleParts,
  { arrival, isCorrection }: ToSettle,
  { rules }: RulesInForce,
  revision: number,
): Promise<Outcome> {
  const { settings, loaded, kind } = source
  const maker = { kind: kind.kind, source: settings.name, revision, isCorrection }
  const mapper: Mapper = {
    settings,
    loaded,
    rules,
    maker,
    identities,
    ...(owners === undefined ? {} : { owners: owners.rules }),
    ...(homes === undefined ? {} : { homes }),
  }
  const outcome = await mapArrival(arrival, mapper)
  if (outcome.kind !== 'events' || outcome.state?.fetch === undefined || arrival.via === 'fetch')
    return outcome
  const { fetch, ...state } = outcome.state
  return (await states.isInConflict(state, arrival.id)) ? { kind: 'fetch', what: fetch } : outcome
}

/** Publishes the events of all; where the gateway refuses one, its arrival waits. */
async function publish(
  { events: taker, homes }: Pick<SettleParts, 'events' | 'homes'>,
  all: readonly ToSettle[],
  mapped: readonly Outcome[],
): Promise<readonly Outcome[]> {
  const made: { readonly owner: number; readonly event: MadeEvent }[] = mapped.flatMap((outcome, owner) =>
    outcome.kind === 'events' ? outcome.events.map(event => ({ owner, event })) : [],
  )
  const refused = new Map<number, Fault[]>()
  for (let from = 0; from < made.length; from += taker.maxEvents) {
    const part = made.slice(from, from + taker.maxEvents)
    const { rejected } = await taker.take(
      part.map(({ event }) => event),
      sourceCaller,
    )
    for (const { index, code, detail, pointer } of rejected) {
      const { owner, event } = part[index]!
      const fault: Fault = {
        code: code === partitionStopped ? partitionStopped : 'event_refused',
        detail: `${event.type}: ${code}: ${detail}`,
        pointer: pointer ?? '',
      }
      refused.set(owner, [...(refused.get(owner) ?? []), fault])
      if (fault.code === 'event_refused') await homes?.giveUpEvent(event.source, event.id)
    }
  }
  return all.map((_, index) => {
    const [first, ...others] = refused.get(index) ?? []
    return first === undefined
      ? mapped[index]!
      : { kind: 'waits' as const, faults: [first, ...others], needs: [] }
  })
}

async function shelve(
  { shelf, states, nowMs }: SettleParts,
  arrival: Arrival,
  outcome: Outcome,
  { mapping }: RulesInForce,
): Promise<void> {
  if (outcome.kind === 'events' && outcome.state !== undefined) await states.keep(outcome.state, arrival.id)
  if (outcome.kind !== 'waits' && outcome.kind !== 'fetch') return
  const before = shelf.get(arrival.id)
  const waiting: WaitingArrival = {
    arrival_id: arrival.id,
    sequence: arrival.sequence,
    ...(outcome.kind === 'fetch'
      ? { code: fetchPending, detail: wordsOfFetch(outcome.what), fetch: outcome.what, needs: [] }
      : { code: outcome.faults[0].code, detail: outcome.faults[0].detail, needs: [...outcome.needs] }),
    since: before?.since ?? formatInstantMs(nowMs()),
    mapping,
  }
  await shelf.put(waiting)
}

export function outcomeRow(arrival: Arrival, outcome: Outcome): ArrivalOutcome {
  const none = { code: '', detail: '', pointer: '', problems: [], superseded_by: '', events: [] }
  const row = {
    arrival_id: arrival.id,
    arrival_sequence: arrival.sequence,
    arrival_type: arrival.type,
    via: arrival.via,
    occurred_at: formatInstantMs(arrival.occurredAtMs ?? arrival.receivedAtMs),
    received_at: formatInstantMs(arrival.receivedAtMs),
    ...none,
  }
  switch (outcome.kind) {
    case 'events': {
      const events = outcome.events.map(({ id, type, subject }, index) => {
        return { id, type, customer_id: subject, content_hash: outcome.hashes[index] ?? '' }
      })
      return { ...row, state: 'mapped', events }
    }
    case 'ignored':
      return { ...row, state: 'ignored', code: outcome.reason }
    case 'fetch':
      return { ...row, state: 'waiting', code: fetchPending, detail: wordsOfFetch(outcome.what) }
    case 'waits': {
      const [{ code, pointer }] = outcome.faults
      const detail = outcome.faults
        .map(fault => fault.detail)
        .join(' ')
        .slice(0, detailLength)
      const problems = outcome.faults.slice(0, mostProblems)
      return { ...row, state: 'waiting', code, detail, pointer, problems: [...problems] }
    }
    default:
      return outcome satisfies never
  }
}

function wordsOfFetch({ object, id }: FetchWhat): string {
  return `The ${object} ${id} is read from the source.`
}
