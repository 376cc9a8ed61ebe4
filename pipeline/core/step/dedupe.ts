// dedupe: whether an event was seen before, and with the same content.
// The first timely event with a valid envelope takes its identity, whatever becomes of it. The identity is
// released when a waiting event is given up for good, so that its dead letter can be redriven.

import { hashContent, hashIdentity, hashWords } from '../../../schemas/event/event-hash.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { type DedupeTable, forever, type Sighting } from '../state/dedupe-table.js'

const dayMs = 86_400_000
const identity = new Uint32Array(hashWords)
const content = new Uint32Array(hashWords)

export function dayOf(instantMs: number): number {
  return Math.min(forever - 1, Math.max(2, Math.floor(instantMs / dayMs)))
}

/** Looks up and remembers all given events; the answers have the same order. */
export function dedupeEvents(batch: readonly ReceivedEvent[], table: DedupeTable): Sighting[] {
  return batch.map(({ arrivedAtMs, event }) => {
    hashIdentity(event.source, event.id, identity)
    hashContent(event, content)
    // An event without a time, or whose time is stamped anew, is known for ever, since its age cannot be told when it comes
    // again.
    const isForever = event.timeText === undefined || event.isTimeStamped
    return table.see(identity, content, dayOf(arrivedAtMs), isForever)
  })
}

/**
 * Both content hashes of a conflict: the kept one and the new one, as hexadecimal of the 56 bits that are
 * kept.
 */
export function conflictHashes(received: ReceivedEvent, table: DedupeTable): { kept: string; sent: string } {
  hashIdentity(received.event.source, received.event.id, identity)
  hashContent(received.event, content)
  const sent = [content[0]!, content[1]!].map(word => word.toString(16).padStart(8, '0')).join('')
  return { kept: table.contentOf(identity), sent: sent.slice(0, 14) }
}

export function forgetIdentity(source: string, id: string, table: DedupeTable): void {
  hashIdentity(source, id, identity)
  table.forget(identity)
}

export function isKnownIdentity(source: string, id: string, table: DedupeTable): boolean {
  hashIdentity(source, id, identity)
  return table.contentOf(identity) !== ''
}
