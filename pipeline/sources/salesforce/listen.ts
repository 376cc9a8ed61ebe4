// Listens to the topics of an org, and reads anew what may have been missed: after an overflow, and after a place that the org
// does not have any more. A topic that the org refuses, such as of an object without Change Data Capture, is told and asked for
// again now and then; the others go on.
// Invariants:
// 1. A place is kept only with or after what comes before it; the topics take turns, so that no place is kept for another.
// 2. What must be read anew is in the place before the place that it makes up for is given up.

import { pauseFor } from '../../broker/back-off.js'
import type { ArrivalDraft } from '../source-kind.js'
import { SourceTrouble } from '../source-kind.js'
import type { ChangedRecords, ListPosition } from './bulk.js'
import { changeArrivals } from './change-event.js'
import { type PubSubClient, ReplayExpired, type Told } from './pubsub.js'

export interface ListenPosition {
  readonly topics: Readonly<Record<string, TopicPlace>>
  /** Objects of which all that changed since is to be read. */
  readonly anew: readonly Anew[]
}

interface TopicPlace {
  /** In base64; '' where it begins with the earliest that the org has. */
  readonly replay: string
  readonly heard_ms: number
}

interface Anew {
  readonly object: string
  readonly from_ms: number
  readonly until_ms: number
  readonly position?: ListPosition
}

export interface ListenParts {
  readonly topics: readonly { readonly topic: string; readonly objects: readonly string[] }[]
  readonly pubsub: PubSubClient
  readonly changed: ChangedRecords
  /** The documents of records, as arrivals. */
  readonly read: (
    object: string,
    ids: readonly string[],
    signal: AbortSignal,
  ) => Promise<readonly ArrivalDraft[]>
  readonly nowMs: () => number
  /** When a topic that was refused is asked for again. */
  readonly refusedAgainMs?: number
}

type Keep = (arrivals: readonly ArrivalDraft[], position: unknown) => Promise<void>

type Tell = (trouble: SourceTrouble | undefined) => void

const refusedAgainMs = 300_000
/** Clocks differ, and a change that takes long has the time of its beginning. */
const marginMs = 3_600_000

export async function listen(
  parts: ListenParts,
  position: unknown,
  keep: Keep,
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  const session = new Session(parts, positionOf(position), keep, tell)
  const work = [
    ...parts.topics.map(({ topic, objects }) => session.followOrWait(topic, objects, both)),
    session.readAnew(both),
  ]
  try {
    await Promise.race(work.map(one => one.then(() => untilAborted(both))))
  } finally {
    ending.abort()
    await Promise.allSettled(work)
  }
}

class Session {
  readonly #parts: ListenParts
  readonly #keep: Keep
  readonly #tell: Tell
  readonly #refused = new Map<string, SourceTrouble>()
  #position: ListenPosition
  #turn: Promise<unknown> = Promise.resolve()
  #wake: () => void = () => undefined

  constructor(parts: ListenParts, position: ListenPosition, keep: Keep, tell: Tell) {
    this.#parts = parts
    this.#position = position
    this.#keep = keep
    this.#tell = tell
  }

  /** Ends as `follow` does, but waits while the org refuses this topic and not all of them. */
  async followOrWait(topic: string, objects: readonly string[], signal: AbortSignal): Promise<void> {
    const { topics, refusedAgainMs: againMs = refusedAgainMs } = this.#parts
    while (!signal.aborted) {
      try {
        return await this.follow(topic, objects, signal)
      } catch (error) {
        if (!(error instanceof SourceTrouble) || error.code !== 'source_refused') throw error
        const isNew = !this.#refused.has(topic)
        this.#refused.set(topic, error)
        if (this.#refused.size === topics.length) throw error
        if (isNew) this.#tellRefused()
        await pauseFor(againMs, signal)
      }
    }
  }

  #tellRefused(): void {
    const all = [...this.#refused.values()].map(({ message }) => message)
    this.#tell(all.length === 0 ? undefined : new SourceTrouble('source_refused', all.join('; ')))
  }

  async follow(topic: string, objects: readonly string[], signal: AbortSignal): Promise<void> {
    const { pubsub, nowMs } = this.#parts
    const place = this.#position.topics[topic]
    const after = place === undefined || place.replay === '' ? undefined : Buffer.from(place.replay, 'base64')
    try {
      for await (const told of pubsub.told(topic, after, signal)) await this.#take(topic, told)
    } catch (error) {
      if (!(error instanceof ReplayExpired) || place === undefined) throw error
      const from_ms = place.heard_ms - marginMs
      const anew = objects.map(object => ({ object, from_ms, until_ms: nowMs() + marginMs }))
      await this.#move([], ({ topics, anew: before }) => ({
        topics: { ...topics, [topic]: { replay: '', heard_ms: nowMs() } },
        anew: [...before, ...anew], // invariant 2
      }))
      throw new SourceTrouble(
        'replay_id_expired',
        `${topic}: what changed since ${new Date(from_ms).toISOString()} is read anew.`,
        100,
      )
    }
    if (!signal.aborted)
      throw new SourceTrouble('source_disconnected', `${topic}: the org has ended the stream.`)
  }

  async #take(topic: string, { events, replayId }: Told): Promise<void> {
    if (this.#refused.delete(topic)) this.#tellRefused()
    const { nowMs } = this.#parts
    const arrivals: ArrivalDraft[] = []
    const overflowed: Anew[] = []
    const counts = new Set(this.#parts.topics.flatMap(({ objects }) => objects))
    for (const { told, schema } of events) {
      const { header, arrivals: own } = changeArrivals(told, schema)
      arrivals.push(...own)
      if (header?.type === 'GAP_OVERFLOW' && counts.has(header.entity))
        overflowed.push({
          object: header.entity,
          from_ms: header.commitMs - marginMs,
          until_ms: nowMs() + marginMs,
        })
    }
    await this.#move(arrivals, ({ topics, anew }) => ({
      topics: { ...topics, [topic]: { replay: replayId.toString('base64'), heard_ms: nowMs() } },
      anew: [...anew, ...overflowed],
    }))
    if (overflowed.length > 0) this.#wake()
  }

  /** Reads what is to be read anew, part by part, as long as it listens. */
  async readAnew(signal: AbortSignal): Promise<void> {
    const { changed, read } = this.#parts
    while (!signal.aborted) {
      const [first] = this.#position.anew
      if (first === undefined) {
        await new Promise<void>(resolve => {
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
        continue
      }
      const stretch = { object: first.object, fromMs: first.from_ms, untilMs: first.until_ms }
      const part = await changed.part(stretch, first.position, signal)
      const arrivals = await read(first.object, part.ids, signal)
      await this.#move(arrivals, ({ topics, anew: [, ...others] }) => ({
        topics,
        anew: part.position === undefined ? others : [{ ...first, position: part.position }, ...others],
      }))
    }
  }

  /** Invariant 1. */
  #move(
    arrivals: readonly ArrivalDraft[],
    next: (position: ListenPosition) => ListenPosition,
  ): Promise<void> {
    const mine = this.#turn.then(async () => {
      const position = next(this.#position)
      await this.#keep(arrivals, position)
      this.#position = position
    })
    this.#turn = mine.catch(() => undefined)
    return mine
  }
}

function positionOf(position: unknown): ListenPosition {
  const { topics = {}, anew = [] } = (position ?? {}) as Partial<ListenPosition>
  return { topics, anew }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
