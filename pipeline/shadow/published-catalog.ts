// The catalog as it is published: everything on the stream CATALOG, merged as every partition merges it.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import { natsSubjects } from '../broker/topology.js'
import { type InputMessage, PartitionCore } from '../core/core.js'
import { defaultCoreLimits } from '../core/ports/core-limits.js'
import { PartitionState } from '../core/state/partition-state.js'
import type { StateAccess } from '../engine/restore.js'
import { readInput } from './read-input.js'

export async function publishedCatalog(access: StateAccess): Promise<Catalog> {
  const { state } = await access.jsm.streams.info('CATALOG')
  const merged = new PartitionState(defaultCoreLimits.dedupeHorizonMs)
  // Any partition but the first merges catalogs and counts nothing.
  const config = { partition: 1, partitions: 2, limits: defaultCoreLimits }
  const core = new PartitionCore(config, { only: true }, merged)
  const stretch = { stream: 'CATALOG', natsSubject: natsSubjects.catalog, fromSeq: 1, partitions: 2 } as const
  let commit = 0
  for await (const messages of readInput(access, { ...stretch, untilSeq: state.last_seq })) {
    commit += 1
    const catalog = messages.map(
      (message): InputMessage => ({ ...message, bytes: Uint8Array.from(message.bytes) }),
    )
    for (const message of messages) message.release()
    const none = { lifecycle: [], metering: [], orders: [], history: [] }
    core.process({ nowMs: catalog.at(-1)!.arrivedAtMs, commit, catalog, ...none })
  }
  return merged.catalog
}
