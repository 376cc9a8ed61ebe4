// What of a source of kind `salesforce` does I/O: listens, reads one object, catches up.

import { pauseFor } from '../../broker/back-off.js'
import type {
  ArrivalDraft,
  CatchUpRequest,
  CatchUpStage,
  CaughtUp,
  Fetched,
  FetchWhat,
  ReachParts,
  SourceReach,
} from '../source-kind.js'
import { ChangedRecords, type ListPosition } from './bulk.js'
import { documentDraft, type SalesforceDocument, textOf } from './documents.js'
import { listen } from './listen.js'
import { NotThere, Org } from './org.js'
import { PubSubClient } from './pubsub.js'
import { objectsOf, type SoldFrom, soldObject, topicOf } from './usual-fields.js'
import { WholeObjects } from './whole-objects.js'

const sameSecondMs = 1_000
const lastReadsMost = 10_000

export function salesforceReach(
  parts: ReachParts,
  ofTests: ConstructorParameters<typeof ChangedRecords>[1] = {},
): SourceReach {
  const from = parts.settings['sold_from'] as SoldFrom
  const org = new Org(parts)
  const reader = new DocumentReader(new WholeObjects(org, from))
  const changed = new ChangedRecords(org, ofTests)
  const pubsub = new PubSubClient(org, String(parts.settings['pubsub_url']))
  const objects = objectsOf(from)
  const sold = soldObject(from)
  const lists = new Lists(changed, reader)
  const named = parts.settings['topics'] as readonly string[] | undefined
  // A channel of the org's own may hold changes of every object.
  const topics =
    named?.map(topic => {
      const one = objects.find(object => topicOf(object) === topic)
      return { topic, objects: one === undefined ? objects : [one] }
    }) ?? objects.map(object => ({ topic: topicOf(object), objects: [object] }))
  const read = (object: string, ids: readonly string[], signal: AbortSignal) =>
    reader.drafts(object, ids, signal)
  return {
    fetch: (what, signal) => reader.fetch(what, signal),
    listen: (position, keep, signal) =>
      listen({ topics, pubsub, changed, read, nowMs: parts.nowMs }, position, keep, signal),
    catchUp: (request, signal) => lists.part(objectsOfStage(request.stage, objects), request, signal),
    async objects({ stage, sinceMs = 0, position }, signal) {
      const own = objectsOfStage(stage, ['Account', ...(sold === undefined ? [] : [sold.object])])
      const part = await lists.part(own, { fromMs: sinceMs, untilMs: undefined, position }, signal)
      const object = stage === 'rest' ? ('customer' as const) : ('subscription' as const)
      const of = ({ id }: ArrivalDraft) => id.replace(/^\w+\/|@.*$/g, '')
      return {
        objects: part.arrivals.map(arrival => ({ object, id: of(arrival), arrival })),
        position: part.position,
      }
    },
    async close() {
      pubsub.close()
    },
  }
}

interface ListPlace {
  /** Of the objects of the stage. */
  readonly place: number
  readonly list?: ListPosition
}

/** Accounts are the rest; nothing of an org is money. */
function objectsOfStage(stage: CatchUpStage, objects: readonly string[]): readonly string[] {
  if (stage === 'money') return []
  return objects.filter(one => (one === 'Account') === (stage === 'rest'))
}

/** What changed of the objects of a stage in a stretch, one object after the other. */
class Lists {
  readonly #changed: ChangedRecords
  readonly #reader: DocumentReader

  constructor(changed: ChangedRecords, reader: DocumentReader) {
    this.#changed = changed
    this.#reader = reader
  }

  async part(
    objects: readonly string[],
    {
      fromMs,
      untilMs,
      position,
    }: Pick<CatchUpRequest, 'fromMs' | 'position'> & { untilMs: number | undefined },
    signal: AbortSignal,
  ): Promise<CaughtUp> {
    const { place, list } = (position ?? { place: 0 }) as ListPlace
    const object = objects[place]
    if (object === undefined) return { arrivals: [], position: undefined }
    const part = await this.#changed.part({ object, fromMs, untilMs }, list, signal)
    const arrivals = await this.#reader.drafts(object, part.ids, signal)
    return { arrivals, position: nextPlace(place, part.position, objects.length) }
  }
}

function nextPlace(place: number, list: ListPosition | undefined, of: number): ListPlace | undefined {
  if (list !== undefined) return { place, list }
  return place + 1 < of ? { place: place + 1 } : undefined
}

/**
 * Reads documents as arrivals. The order of two documents of one object is the second in which they were read; two that differ and
 * have the same second are told apart by reading once more.
 */
class DocumentReader {
  readonly #whole: WholeObjects
  readonly #last = new Map<string, { readonly second: number; readonly id: string }>()

  constructor(whole: WholeObjects) {
    this.#whole = whole
  }

  async fetch({ object, id }: FetchWhat, signal: AbortSignal): Promise<Fetched> {
    try {
      const [draft] = await this.drafts(object, [id], signal)
      if (draft !== undefined) return { kind: 'found', arrival: draft }
    } catch (error) {
      if (!(error instanceof NotThere)) throw error
    }
    return { kind: 'gone', detail: `Nothing that was sold, and no account, belongs to the ${object} ${id}.` }
  }

  async drafts(
    object: string,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly ArrivalDraft[]> {
    for (;;) {
      const documents =
        object === 'Account'
          ? await this.#whole.accounts(ids, signal)
          : await this.#whole.soldOf(object, ids, signal)
      const drafts = documents.map(document => ({ document, draft: documentDraft(document) }))
      const isUnsure = drafts.some(({ document, draft }) => {
        const last = this.#last.get(keyOf(document))
        return last !== undefined && last.id !== draft.id && last.second >= secondOf(document)
      })
      if (isUnsure && !signal.aborted) {
        await pauseFor(sameSecondMs, signal)
        continue
      }
      for (const { document, draft } of drafts) this.#remember(keyOf(document), secondOf(document), draft.id)
      return drafts.map(({ draft }) => draft)
    }
  }

  #remember(key: string, second: number, id: string): void {
    this.#last.delete(key)
    this.#last.set(key, { second, id })
    const [oldest] = this.#last.keys()
    if (this.#last.size > lastReadsMost && oldest !== undefined) this.#last.delete(oldest)
  }
}

function secondOf({ at_ms }: SalesforceDocument): number {
  return Math.floor(at_ms / 1000)
}

function keyOf(document: SalesforceDocument): string {
  return document.read === 'account' ? `account ${textOf(document.account, 'Id')}` : `sold ${document.root}`
}
