// Makes CloudEvents of what a mapping gave: source, id and sequence.
// Invariants:
// 1. The same arrival under the same revision gives the same events to the last byte, so that what is published again after a
//    crash is a duplicate.
// 2. What a later revision says in other words has another id, which names the revision, and a sequence that wins.
// 3. What has nothing to win by (payments, invoices, usage) keeps its id under every revision: it counts once, and told in other
//    words it is a conflict that somebody sees.

import { hash } from 'node:crypto'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { formatInstantMs } from '../../../schemas/time.js'
import type { Arrival, MappedEvent } from '../source-kind.js'

export interface MadeEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly correlationid?: string
  readonly subscriptionid?: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Maker {
  readonly kind: string
  readonly source: string
  /** How often the mapping has changed since the source began: 0 for the first. */
  readonly revision: number
  /** The ids name the revision: what is made may have been sent before in other words. */
  readonly isCorrection: boolean
}

/** Sequences of one version: later revisions win. */
const revisionsOfVersion = 1_000
export const maxVersion = 9_000_000_000_000

export function eventSource({ kind, source }: Pick<Maker, 'kind' | 'source'>): string {
  return `weir:${kind}:${source}`
}

export function makeEvent(arrival: Arrival, mapped: MappedEvent, maker: Maker): MadeEvent {
  const { type, subject, correlationId, subscriptionId } = mapped
  const data =
    mapped.version === undefined
      ? mapped.data
      : { ...mapped.data, sequence: sequenceOf(mapped.version, maker) }
  return {
    specversion: '1.0',
    id: idOf(arrival, mapped, maker, isCorrectable({ type, data })),
    source: eventSource(maker),
    type,
    subject,
    time: mapped.time ?? formatInstantMs(arrival.occurredAtMs ?? arrival.receivedAtMs),
    ...(correlationId === undefined ? {} : { correlationid: correlationId }),
    ...(subscriptionId === undefined ? {} : { subscriptionid: subscriptionId }),
    data,
  }
}

function idOf(
  arrival: Arrival,
  { id = arrival.id, key }: MappedEvent,
  maker: Maker,
  canWin: boolean,
): string {
  const own = key === '' ? id : `${id}/${key}`
  return maker.isCorrection && canWin ? `${own}~${maker.revision}` : own // invariants 2 and 3
}

/** A later one wins over it, so that it counts once. */
export function isCorrectable({ type, data }: Pick<MadeEvent, 'type' | 'data'>): boolean {
  return type === 'weir.customer.upserted' || data['sequence'] !== undefined
}

function sequenceOf(version: number, { revision }: Maker): number {
  return version * revisionsOfVersion + Math.min(revision, revisionsOfVersion - 1)
}

/** Of what the event says, without its id and the revision in its sequence: whether a revision says it in other words. */
export function contentHash({ id: _id, data, ...rest }: MadeEvent, mapped: MappedEvent): string {
  const said = mapped.version === undefined ? data : { ...data, sequence: mapped.version }
  return hash('sha256', canonicalJson({ ...rest, data: said }), 'hex').slice(0, 32)
}
