// Claims a partition: its owner is whoever writes the next checkpoint under the newest one's sequence.
//
// Invariants:
// 1. A claim raises the epoch by one and changes no other state. It fences the owner before.
// 2. State is loaded into memory only after a claim: none is kept from before it, not even our own.
// 3. A partition begins at the beginning only if it never worked: one that has lost its checkpoints stops.

import type { StreamInfo } from '@nats-io/jetstream'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { type Genesis, GenesisMissing, genesisOf, wasBorn, writeBirth } from '../broker/genesis.js'
import { natsSubjects, streamInfo } from '../broker/topology.js'
import {
  type Checkpoint,
  encodeCheckpoint,
  type InputStream,
  inputStreams,
  type Positions,
  readCheckpoint,
  readLastSequence,
  type StoredCheckpoint,
} from '../ledger/checkpoint.js'
import { commitHeader, type LedgerAccess } from '../ledger/commit.js'
import { PartitionFailure, RetryableError } from '../ledger/failures.js'

export type InputInfos = Readonly<Record<InputStream, StreamInfo>>

export interface Claim extends StoredCheckpoint {
  readonly inputs: InputInfos
  /** The key that authenticates the checkpoints. */
  readonly key: Uint8Array
}

/** A busy owner may commit between our reading of the checkpoint and our writing; then we try again. */
const claimTries = 20

/** `owner` is unique to this call: host, process and something random. Throws `RetryableError` when others are faster. */
export async function claimPartition(access: LedgerAccess, partition: number, owner: string): Promise<Claim> {
  const genesis = await readGenesis(access)
  const inputsBefore = await readInputs(access)
  const isBorn = await wasBorn(access.jsm, partition)
  // The inputs that the checkpoint is checked against are read after the claim: until then it may change.
  const claimed = async (stored: StoredCheckpoint): Promise<Claim> => {
    if (!isBorn) await writeBirth(access.nc, partition)
    return { ...stored, key: genesis.key, inputs: await readInputs(access) }
  }
  let detail = ''
  for (let tries = 0; tries < claimTries; tries += 1) {
    access.signal.throwIfAborted()
    const newest = await readCheckpoint(access.jsm, partition, genesis.key)
    if (newest?.checkpoint.owner === owner) return claimed(newest) // the answer was lost, the claim was not
    if (newest === undefined && isBorn) throw checkpointMissing(partition) // invariant 3
    const before = newest?.checkpoint ?? firstCheckpoint(partition, inputsBefore)
    const checkpoint: Checkpoint = {
      ...before,
      epoch: before.epoch + 1, // invariant 1
      owner,
      follows: newest?.seq ?? 0,
      messages: [],
    }
    const natsSubject = natsSubjects.ledger(partition, 'state')
    const message = {
      natsSubject,
      bytes: encodeCheckpoint(checkpoint, genesis.key),
      headers: { [commitHeader]: String(checkpoint.commit) },
    }
    if (newest !== undefined && newest.lastSeq > newest.seq) access.onRetry(strangers(partition, newest))
    const lastSeq = newest?.lastSeq ?? (await readLastSequence(access.jsm, 'LEDGER', natsSubject))
    const fence = { lastSubjectSequence: lastSeq }
    const outcome = await publishBatch(access.bulk, [message], fence, access.limits.commitTimeoutMs)
    if (outcome.kind === 'stored') {
      access.recent.add(outcome.seq, [message])
      return claimed({ checkpoint, seq: outcome.seq, lastSeq: outcome.seq })
    }
    detail = outcome.detail
  }
  throw new RetryableError(`partition ${partition} could not be claimed: ${detail}`)
}

/** The log line about messages on the subject above the newest checkpoint, which Weir did not write. */
export function strangers(partition: number, { seq, lastSeq }: StoredCheckpoint): string {
  return `what lies on ${natsSubjects.ledger(partition, 'state')} above ${seq}, up to ${lastSeq}, was not written by Weir and is passed over`
}

function checkpointMissing(partition: number): PartitionFailure {
  return new PartitionFailure(
    'checkpoint_missing',
    `Partition ${partition} has worked before, and LEDGER holds no checkpoint of it any more: it was purged or lost, by` +
      ` something other than weir retention. Beginning anew would count every event twice. Restore LEDGER from a backup.`,
  )
}

/** The record of this installation's beginning; throws when LEDGER is not the stream that it names. */
async function readGenesis({ jsm }: LedgerAccess): Promise<Genesis> {
  const genesis = await genesisOf(jsm).catch(cause => {
    if (!(cause instanceof GenesisMissing)) throw cause
    throw new PartitionFailure('genesis_missing', cause.message, { cause })
  })
  const ledger = await streamInfo(jsm, 'LEDGER')
  const once = genesis.streams['LEDGER']
  if (ledger !== undefined && (once === undefined || ledger.created === once)) return genesis
  const found = ledger === undefined ? 'LEDGER is gone' : `LEDGER was made at ${ledger.created}`
  throw new PartitionFailure(
    'ledger_recreated',
    `${found}; this installation's was made at ${once}. Restore that stream from a backup.`,
  )
}

async function readInputs({ jsm }: LedgerAccess): Promise<InputInfos> {
  const found: Partial<Record<InputStream, StreamInfo>> = {}
  for (const stream of inputStreams) {
    const info = await streamInfo(jsm, stream)
    if (info === undefined) {
      const detail = `The stream ${stream} does not exist. Restore it from a backup; starting weir makes an empty one.`
      throw new PartitionFailure('input_recreated', detail)
    }
    found[stream] = info
  }
  return found as InputInfos
}

/** The checkpoint of a partition that was never claimed: it reads everything that the inputs still hold. */
function firstCheckpoint(partition: number, inputs: InputInfos): Checkpoint {
  const start = (stream: InputStream) => {
    const { created, state } = inputs[stream]
    return { created, seq: Math.max(0, state.first_seq - 1) }
  }
  return {
    format: 2,
    partition,
    epoch: 0,
    owner: '',
    commit: 0,
    positions: {
      CATALOG: start('CATALOG'),
      CONTROL: start('CONTROL'),
      LIFECYCLE: start('LIFECYCLE'),
      METERING: start('METERING'),
    } satisfies Positions,
    snapshot: null,
    delta_chunks: 0,
    counters: zeroDispositions(),
    follows: 0,
    messages: [],
    figures: {},
  }
}

/** Throws when an input stream does not fit the position from which it is to be read. */
export function assertInput(stream: InputStream, info: StreamInfo, position: Positions[InputStream]): void {
  const { first_seq: first, last_seq: last } = info.state
  const next = position.seq + 1
  if (info.created !== position.created) {
    throw new PartitionFailure(
      'input_recreated',
      `${stream} was made at ${info.created}; the checkpoint read the one of ${position.created}. Restore that stream,` +
        ` or begin with an empty NATS account or data directory.`,
    )
  }
  if (last < position.seq) {
    throw new PartitionFailure(
      'input_behind_checkpoint',
      `${stream} ends at ${last}; the checkpoint has processed up to ${position.seq}. The stream was restored from an` +
        ` older backup: restore LEDGER from the same backup.`,
    )
  }
  if (first > next) {
    throw new PartitionFailure(
      'input_purged',
      `${stream} begins at ${first}; ${next} is the next to be processed. What lay between was purged before it was` +
        ` processed: restore the stream from a backup.`,
    )
  }
}
