// Records that a sink refused because of their content, in the bucket `weir_sinks` under the key
// `refused.<feed>.<name>`, with the reason, the content, and what is needed to apply them later.
// Invariants:
// 1. A record is set aside before its feed's position passes it, and kept until the sink has it.
// 2. Of somebody who discards it and somebody who has it tried again, the first whose mark is on the entry counts; the other is told.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { stableId } from '../../schemas/identifiers.js'
import type { RefusedRecord } from '../../sinks/sink.js'
import { writeOver } from '../broker/wrong-revision.js'
import { rejectedByApproval } from './flow-gate.js'

const recordSchema = z.object({
  feed: z.string(),
  stream: z.string(),
  refused_at: z.string(),
  name: z.string(),
  sequence: z.int(),
  table: z.string(),
  code: z.string(),
  detail: z.string(),
  content: z.string(),
  bytes: z.string(),
  token: z.string(),
  discarded: z.boolean().optional(),
  /** It is on its way to be tried again: nobody can discard it. */
  taken: z.boolean().optional(),
})

export type SetAside = Readonly<z.infer<typeof recordSchema>>

/** The beginning of a feed's keys; dots are replaced, so that no feed's keys match another's filter. */
function prefixOf(feed: string): string {
  return `refused.${feed.replaceAll('.', '_')}`
}

export async function setAside(
  kv: KV,
  feed: string,
  stream: string,
  records: readonly RefusedRecord[],
): Promise<void> {
  for (const record of records) {
    const entry: SetAside = { feed, stream, refused_at: new Date().toISOString(), ...record }
    await kv.put(`${prefixOf(feed)}.${stableId('r', record.name)}`, JSON.stringify(entry))
  }
}

/** In the order of the stream; without a feed, of every feed. */
export async function listSetAside(kv: KV, feed?: string): Promise<SetAside[]> {
  const filter = feed === undefined ? 'refused.>' : `${prefixOf(feed)}.*`
  const found: SetAside[] = []
  for await (const key of await kv.keys(filter)) {
    const entry = await kv.get(key)
    if (entry === null || entry.operation !== 'PUT') continue
    const parsed = recordSchema.safeParse(entry.json())
    if (parsed.success) found.push(parsed.data)
  }
  return found.sort((a, b) => a.sequence - b.sequence || (a.name < b.name ? -1 : 1))
}

/** False: somebody decided that it never leaves (`rejected_by_approval`), or discarded it, and nothing is to be mended. */
export function isToMend({ code, discarded }: Pick<RefusedRecord, 'code' | 'discarded'>): boolean {
  return code !== rejectedByApproval && discarded !== true
}

/** The one of this name; undefined: it is not set aside. */
export async function setAsideNamed(kv: KV, feed: string, name: string): Promise<SetAside | undefined> {
  const entry = await kv.get(`${prefixOf(feed)}.${stableId('r', name)}`)
  return entry?.operation === 'PUT' ? recordSchema.safeParse(entry.json()).data : undefined
}

export async function isDiscarded(kv: KV, feed: string, name: string): Promise<boolean> {
  return (await setAsideNamed(kv, feed, name))?.discarded === true
}

/** Marks one as discarded, or takes the mark off. False: it is set aside no longer, or is being tried again (invariant 2). */
export function markDiscarded(kv: KV, feed: string, name: string, discarded: boolean): Promise<boolean> {
  return mark(kv, feed, name, aside => (aside.taken === true ? undefined : { ...aside, discarded }))
}

/** Marks one as on its way to be tried again. False: somebody has discarded it (invariant 2). */
export function markTaken(kv: KV, feed: string, name: string): Promise<boolean> {
  return mark(kv, feed, name, aside => (isToMend(aside) ? { ...aside, taken: true } : undefined))
}

async function mark(
  kv: KV,
  feed: string,
  name: string,
  marked: (aside: SetAside) => SetAside | undefined,
): Promise<boolean> {
  const key = `${prefixOf(feed)}.${stableId('r', name)}`
  for (;;) {
    const entry = await kv.get(key)
    const parsed = entry?.operation === 'PUT' ? recordSchema.safeParse(entry.json()) : undefined
    const next = parsed?.success === true ? marked(parsed.data) : undefined
    if (next === undefined) return false
    if (await writeOver(kv, key, JSON.stringify(next), entry!.revision)) return true
  }
}

export async function takeBack(kv: KV, { feed, name }: Pick<SetAside, 'feed' | 'name'>): Promise<void> {
  await kv.delete(`${prefixOf(feed)}.${stableId('r', name)}`)
}
