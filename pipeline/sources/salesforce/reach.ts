// What of a source of kind `salesforce` does I/O: listens, reads one object, catches up.

import { ReadOrder } from '../read-order.js'
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

const readInMost = 5_000

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
    listen: (position, keep, signal, tell) =>
      listen({ topics, pubsub, changed, read, nowMs: parts.nowMs }, position, keep, signal, tell),
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

/** Reads documents as arrivals. */
class DocumentReader {
  readonly #whole: WholeObjects
  readonly #order = new ReadOrder()
  /** By record: the document that it was read in. A quote that is saved tells of itself and of each of its lines. */
  readonly #readIn = new Map<string, { readonly atMs: number; readonly draft: ArrivalDraft }>()

  constructor(whole: WholeObjects) {
    this.#whole = whole
  }

  async fetch({ object, id, changedMs }: FetchWhat, signal: AbortSignal): Promise<Fetched> {
    const before = this.#readIn.get(id)
    const isNewEnough =
      before !== undefined && changedMs !== undefined && changedMs < secondOf(before.atMs) * 1000
    if (isNewEnough) return { kind: 'found', arrival: before.draft }
    try {
      const [draft] = await this.drafts(object, [id], signal)
      if (draft !== undefined) return { kind: 'found', arrival: draft }
    } catch (error) {
      if (!(error instanceof NotThere)) throw error
    }
    return { kind: 'gone', detail: `Nothing that was sold, and no account, belongs to the ${object} ${id}.` }
  }

  drafts(object: string, ids: readonly string[], signal: AbortSignal): Promise<readonly ArrivalDraft[]> {
    return this.#order.read(async () => {
      const isAccount = object === 'Account'
      const documents = isAccount
        ? await this.#whole.accounts(ids, signal)
        : await this.#whole.soldOf(object, ids, signal)
      return documents.map(document => {
        const draft = documentDraft(document)
        this.#remember(document, draft)
        return { key: keyOf(document), atMs: document.at_ms, draft }
      })
    }, signal)
  }

  #remember(document: SalesforceDocument, draft: ArrivalDraft): void {
    for (const id of idsIn(document)) {
      this.#readIn.delete(id)
      this.#readIn.set(id, { atMs: document.at_ms, draft })
      const [oldest] = this.#readIn.keys()
      if (this.#readIn.size > readInMost && oldest !== undefined) this.#readIn.delete(oldest)
    }
  }
}

/** Of an account that is part of what was sold the account itself is to be read. */
function idsIn(document: SalesforceDocument): readonly string[] {
  if (document.read === 'account') return [textOf(document.account, 'Id')]
  const { steps, contracts, subscriptions } = document
  const records = steps.flatMap(({ record, lines, opportunity }) => [record, ...lines, opportunity])
  return [...records, ...contracts, ...subscriptions].map(one => textOf(one, 'Id')).filter(id => id !== '')
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000)
}

function keyOf(document: SalesforceDocument): string {
  return document.read === 'account' ? `account ${textOf(document.account, 'Id')}` : `sold ${document.root}`
}
