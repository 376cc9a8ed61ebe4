// The anchor of the audit trail: sequence and hash of its newest entry, kept in the bucket `weir_audit`, apart from the
// stream. It shows that the last entries of the stream were removed, which the chain itself cannot show.
// Invariants:
// 1. The anchor is sealed with the genesis key, and only moves forward.
// 2. An anchor that the stream does not meet is kept beside it for ever, under its sequence, so that the trail cannot grow
//    past what is missing and hide it.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { bucketKeys } from '../broker/bucket-keys.js'
import { openSealed, sealJson } from '../broker/genesis.js'
import { isWrongRevision } from '../broker/wrong-revision.js'

export const auditBucket = 'weir_audit'
const headKey = 'head'

const anchorSchema = z.object({ sequence: z.int().min(1), hash: z.string() })

export type Anchor = Readonly<z.infer<typeof anchorSchema>>

/** What the bucket says. `forged`: there is an anchor, and the genesis key did not seal it. */
export type FoundAnchor = Anchor | 'none' | 'forged'

export async function readAnchor(anchors: KV, key: Uint8Array): Promise<FoundAnchor> {
  const entry = await anchors.get(headKey)
  return entry === null || entry.operation !== 'PUT' ? 'none' : (openAnchor(entry.value, key) ?? 'forged')
}

/** Moves the anchor to an entry that is on disk, unless it is further already (invariant 1). */
export async function writeAnchor(anchors: KV, key: Uint8Array, anchor: Anchor): Promise<void> {
  for (;;) {
    const entry = await anchors.get(headKey)
    const before = entry === null ? undefined : openAnchor(entry.value, key)
    if (before !== undefined && before.sequence >= anchor.sequence) return
    try {
      await anchors.put(headKey, sealJson(anchor, key), { previousSeq: entry?.revision ?? 0 })
      return
    } catch (error) {
      if (!isWrongRevision(error)) throw error
    }
  }
}

/** Keeps an anchor that the stream does not meet (invariant 2). */
export async function keepUnmet(anchors: KV, key: Uint8Array, anchor: Anchor): Promise<void> {
  await anchors.put(`unmet.${anchor.sequence}`, sealJson(anchor, key))
}

/** The anchors that the stream did not meet when a process started. */
export async function unmetAnchors(
  jsm: JetStreamManager,
  anchors: KV,
  key: Uint8Array,
): Promise<readonly Anchor[]> {
  const found: Anchor[] = []
  for (const name of await bucketKeys(jsm, auditBucket, 'unmet.*')) {
    const entry = await anchors.get(name)
    const anchor = entry === null ? undefined : openAnchor(entry.value, key)
    if (anchor !== undefined) found.push(anchor)
  }
  return found.sort((a, b) => a.sequence - b.sequence)
}

function openAnchor(bytes: Uint8Array, key: Uint8Array): Anchor | undefined {
  const parsed = anchorSchema.safeParse(openSealed(bytes, key))
  return parsed.success ? parsed.data : undefined
}
