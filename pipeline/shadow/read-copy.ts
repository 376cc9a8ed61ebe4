// Reads the state of a partition beside its owner: the newest checkpoint, the snapshot that it names and the deltas after
// it. It claims nothing and writes nothing.
//
// Invariants:
// 1. A copy is the state after one commit, whole. A snapshot that is replaced while it is read is read again, from the
//    newer checkpoint.
// 2. Identities of more than `mostIdentityBytes` are refused before they are read. A copy that is fed nothing needs none.

import { genesisOf } from '../broker/genesis.js'
import type { CoreConfig } from '../core/ports/core-io.js'
import { readState, type StateAccess, type StateAt } from '../engine/restore.js'
import { openSnapshots, type SnapshotReader } from '../engine/snapshot.js'
import { checkpointFrom, readCheckpoint } from '../ledger/checkpoint.js'
import type { LedgerAccess } from '../ledger/commit.js'
import { PartitionFailure } from '../ledger/failures.js'
import { ShadowRefusal } from './shadow-refusal.js'
import type { ShadowThread } from './shadow-thread.js'

export type CopyAccess = StateAccess & Pick<LedgerAccess, 'nc'>
/** Whether the copy will know duplicates. */
export type Identities = 'loaded' | 'left_out'

const maxTries = 5
const mostIdentityBytes = 2 ** 31

/** Opens the copy in the thread, and tells which commit it is of. */
export async function openCopyOf(
  access: CopyAccess,
  config: CoreConfig,
  thread: ShadowThread,
  identities: Identities,
): Promise<StateAt> {
  for (let tries = 1; ; tries += 1) {
    const at = await newestState(access, config.partition)
    try {
      await readInto(access, at, config, thread, identities)
      return at
    } catch (error) {
      if (!(error instanceof PartitionFailure) || tries === maxTries) throw error
      const newer = await newestState(access, config.partition)
      if (newer.checkpoint.snapshot?.object === at.checkpoint.snapshot?.object) throw error
    }
  }
}

/** Opens the copy as of the checkpoint at a sequence of LEDGER; false: its snapshot is no longer there. */
export async function openCopyAt(
  access: CopyAccess,
  config: CoreConfig,
  thread: ShadowThread,
  checkpointSeq: number,
): Promise<boolean> {
  const { key } = await genesisOf(access.jsm)
  const found = await checkpointFrom(access.jsm, config.partition, checkpointSeq)
  if (found?.seq !== checkpointSeq) return false
  try {
    await readInto(access, { ...found, key }, config, thread, 'left_out')
    return true
  } catch (error) {
    if (error instanceof PartitionFailure) return false
    throw error
  }
}

/** Opens a copy of a state that nothing has happened to. */
export async function openEmptyCopy(config: CoreConfig, thread: ShadowThread): Promise<void> {
  await thread.openCopy({ config, segments: 0, snapshot: undefined, deltas: [], commit: 0 })
}

async function newestState({ jsm }: CopyAccess, partition: number): Promise<StateAt> {
  const { key } = await genesisOf(jsm)
  const newest = await readCheckpoint(jsm, partition, key)
  if (newest === undefined) {
    throw new ShadowRefusal(
      'no_state',
      `Partition ${partition} has no checkpoint, and so no state to be copied.`,
    )
  }
  return { checkpoint: newest.checkpoint, seq: newest.seq, key }
}

async function readInto(
  access: CopyAccess,
  at: StateAt,
  config: CoreConfig,
  thread: ShadowThread,
  identities: Identities,
): Promise<void> {
  const store = await openSnapshots(access.nc, config.partition)
  const { manifest, snapshot, deltas } = await readState(access, at, store)
  const segments = identities === 'left_out' ? [] : (manifest?.segments ?? [])
  await loadIdentities(segments, store, config, thread)
  const { commit } = at.checkpoint
  await thread.openCopy({ config, segments: segments.length, snapshot, deltas, commit })
}

async function loadIdentities(
  segments: readonly { readonly object: string; readonly bytes: number }[],
  store: SnapshotReader,
  config: CoreConfig,
  thread: ShadowThread,
): Promise<void> {
  const bytesInAll = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  if (bytesInAll > mostIdentityBytes) {
    const detail = `Partition ${config.partition} remembers ${bytesInAll} bytes of identities; a copy holds ${mostIdentityBytes}.`
    throw new ShadowRefusal('shadow_too_large', detail)
  }
  for (const [index, { object }] of segments.entries()) {
    await thread.load({ config, index, entries: await store.read(object), bytesInAll })
  }
}
