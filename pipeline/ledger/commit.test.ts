// Commits on a real broker: whole or not at all, and only by the owner of the partition.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import { publishBatch } from '../broker/atomic-batch.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { pipelineLimits } from '../config/limits.js'
import { type Claim, claimPartition } from '../engine/claim.js'
import { DeltaJoiner } from '../engine/restore.js'
import { SharedMemory } from '../memory/shared-memory.js'
import { type Broker, connectTo, readLedger, startBroker } from '../testing/engine-harness.js'
import { type Losses, lossyProxy } from '../testing/lossy-proxy.js'
import { encodeCheckpoint, parseCheckpoint, readCheckpoint } from './checkpoint.js'
import { buildCommit, commitHeader, type LedgerAccess, publishCommit } from './commit.js'
import { Fenced } from './failures.js'
import { RecentCommits } from './recent-commits.js'

let broker: Broker
const undo: (() => Promise<void>)[] = []
const controller = new AbortController()

beforeAll(async () => {
  broker = await startBroker(8)
})

afterAll(async () => {
  controller.abort(new Error('over'))
  for (const step of undo) await step()
  await broker?.stop()
})

function accessOf(bulk: BulkTransport = broker.bulk): LedgerAccess {
  const { nc, jsm } = broker
  const limits = pipelineLimits(
    { partitions: 8, maxPayload: nc.info!.max_payload },
    { engine: { commitTimeoutMs: 500, retryMinMs: 10 } },
  ).engine
  return {
    nc,
    bulk,
    jsm,
    recent: new RecentCommits(new SharedMemory()),
    limits,
    signal: controller.signal,
    onRetry: () => undefined,
  }
}

const text = (value: string) => Buffer.from(value)

function next(
  { checkpoint, key, seq }: Claim,
  access: LedgerAccess,
  delta = text('delta'),
  rows = text('rows'),
) {
  const outputs = [
    { table: 'event_dispositions', bytes: text('counts') },
    { table: 'sealed', bytes: text('sealed') },
    { table: 'rated_usage', bytes: rows },
  ]
  const step = { ...checkpoint, commit: checkpoint.commit + 1, counters: zeroDispositions() }
  return buildCommit(step, delta, outputs, access.limits, { key, follows: seq })
}

test('a commit begins with its checkpoint, ends with its counts, and every message names it', async () => {
  const access = accessOf()
  const claim = await claimPartition(access, 0, 'me')
  const committed = await publishCommit(access, next(claim, access), claim.seq)
  const messages = await readLedger(broker, 0, '>')
  const [, ...batch] = messages
  expect(batch.map(message => message.head.get(commitHeader))).toEqual(['1', '1', '1', '1', '1'])
  expect(batch.map(message => Buffer.from(message.bytes).toString()).slice(1)).toEqual([
    'delta',
    'sealed',
    'rows',
    'counts',
  ])
  expect(committed).toEqual({ stateSeq: batch[0]!.seq, lastSeq: batch.at(-1)!.seq })
  expect((await readCheckpoint(broker.jsm, 0))?.seq).toBe(committed.stateSeq)
})

test('each claim raises the epoch and keeps everything else', async () => {
  const access = accessOf()
  const first = await claimPartition(access, 1, 'a')
  const { stateSeq } = await publishCommit(access, next(first, access), first.seq)
  const second = await claimPartition(access, 1, 'b')
  const changed = { epoch: 2, owner: 'b', commit: 1, delta_chunks: 1, follows: stateSeq }
  expect(second.checkpoint).toEqual({ ...first.checkpoint, ...changed })
})

test('a stale owner is refused by the server and nothing of its batch is stored', async () => {
  const access = accessOf()
  const stale = await claimPartition(access, 2, 'stale')
  await claimPartition(access, 2, 'new')
  const before = (await broker.jsm.streams.info('LEDGER')).state.last_seq
  const commit = next(stale, access)
  const outcome = await publishBatch(broker.bulk, commit.messages, { lastSubjectSequence: stale.seq }, 2_000)
  expect(outcome.kind).toBe('fenced')
  await expect(publishCommit(access, commit, stale.seq)).rejects.toBeInstanceOf(Fenced)
  expect((await broker.jsm.streams.info('LEDGER')).state.last_seq).toBe(before)
})

test('without its fence a stale batch would go through: the fence is what refuses it', async () => {
  const access = accessOf()
  const stale = await claimPartition(access, 3, 'stale')
  const now = await claimPartition(access, 3, 'new')
  const commit = next(stale, access)
  const outcome = await publishBatch(broker.bulk, commit.messages, { lastSubjectSequence: now.seq }, 2_000)
  expect(outcome.kind).toBe('stored')
})

/** A commit's answer, as it comes over the access. */
const isAnswer = (wire: string) => wire.includes('"batch":')

async function lossyAccess(losses: Losses): Promise<LedgerAccess> {
  const proxy = await lossyProxy(broker.server.port, losses)
  const connection = await connectTo({ ...broker.server.login(), servers: proxy.servers })
  undo.push(
    () => connection.nc.close(),
    () => proxy.close(),
  )
  return accessOf(connection.bulk)
}

test('a claim whose answer was lost is found by reading the checkpoint', async () => {
  let losses = 0
  const access = await lossyAccess({
    answered: wire => {
      if (isAnswer(wire)) losses += 1
      return isAnswer(wire)
    },
  })
  const claim = await claimPartition(access, 7, 'me')
  expect(claim.checkpoint.epoch).toBe(1)
  expect(losses).toBe(1)
})

test('a commit whose answer was lost is found by reading the checkpoint, and not stored twice', async () => {
  let losses = 0
  const access = await lossyAccess({
    answered: wire => {
      if (isAnswer(wire)) losses += 1
      return isAnswer(wire)
    },
  })
  const claim = await claimPartition(accessOf(), 4, 'me')
  const committed = await publishCommit(access, next(claim, access), claim.seq)
  expect(losses).toBe(1)
  const rows = await readLedger(broker, 4, 'rated_usage')
  expect(rows).toHaveLength(1)
  expect(committed.lastSeq).toBe((await readLedger(broker, 4, '>')).at(-1)!.seq)
})

test('a commit whose last message was lost is sent again under the same fence', async () => {
  let dropped = false
  const access = await lossyAccess({
    sent: message => {
      if (dropped || !message.includes('Nats-Batch-Commit')) return 'passes'
      dropped = true
      return 'cut_before'
    },
  })
  const claim = await claimPartition(accessOf(), 5, 'me')
  await publishCommit(access, next(claim, access), claim.seq)
  expect(dropped).toBe(true)
  expect(await readLedger(broker, 5, 'rated_usage')).toHaveLength(1)
  expect(await readLedger(broker, 5, 'delta')).toHaveLength(1)
})

test('more messages than a batch takes are refused before anything is sent', async () => {
  const access = accessOf()
  const claim = await claimPartition(access, 6, 'me')
  const outputs = Array.from({ length: 1_000 }, () => ({ table: 'rated_usage', bytes: text('x') }))
  const step = { ...claim.checkpoint, commit: 1 }
  expect(() =>
    buildCommit(step, text(''), outputs, access.limits, { key: claim.key, follows: claim.seq }),
  ).toThrow(/1002 messages/)
  const most = buildCommit(step, text(''), outputs.slice(2), access.limits, {
    key: claim.key,
    follows: claim.seq,
  })
  expect(most.messages).toHaveLength(1_000)
  await publishCommit(access, most, claim.seq)
  expect(await readLedger(broker, 6, 'rated_usage')).toHaveLength(998)
})

test('a checkpoint that is not ours is passed over; one of another version stops, and says why', async () => {
  const { checkpoint, key } = await claimPartition(accessOf(), 0, 'again')
  const sealed = encodeCheckpoint(checkpoint, key)
  expect(parseCheckpoint(sealed, 0, key)).toEqual(checkpoint)
  expect(parseCheckpoint(sealed, 1, key)).toBeUndefined()
  expect(parseCheckpoint(sealed, 0, Buffer.alloc(32))).toBeUndefined()
  expect(parseCheckpoint(text('{'), 0, key)).toBeUndefined()
  const changed = Buffer.from(sealed.toString().replace('"owner":"again"', '"owner":"other"'))
  expect(parseCheckpoint(changed, 0, key)).toBeUndefined()
  const later = encodeCheckpoint({ ...checkpoint, format: 3 } as never, key)
  expect(() => parseCheckpoint(later, 0, key)).toThrow(/another version/)
})

test('a delta that is missing, cut short or foreign is told', async () => {
  const { checkpoint: claimed, key } = await claimPartition(accessOf(), 0, 'deltas')
  const state = (seq: number, commit: number, follows: number, lengths: readonly number[]) => {
    const messages = lengths.map((length): [string, number] => ['delta', length])
    const checkpoint = { ...claimed, epoch: 1, commit, follows, messages }
    return { seq, checkpoint, bytes: encodeCheckpoint(checkpoint, key) }
  }
  const [one, two, end] = [state(1, 1, 0, [1, 2]), state(4, 2, 1, [3]), state(7, 3, 4, [])]
  const all = [one, { seq: 2, bytes: text('a') }, { seq: 3, bytes: text('bb') }, two]
  const joined = new DeltaJoiner({ ...two, key, seq: 4 })
  for (const { seq, bytes } of all) expect(joined.add(seq, bytes)).toBe(true)
  expect(() => joined.finish()).toThrow(/1 commits can be restored, the checkpoint names 2/)
  joined.add(5, text('ccc'))
  expect(joined.add(6, text('foreign'))).toBe(false)
  expect(joined.add(6, one.bytes)).toBe(false) // sent again
  joined.finish()
  joined.add(7, end.bytes)
  expect(joined.deltas.map(bytes => Buffer.from(bytes).toString())).toEqual(['abb', 'ccc'])
  const holed = () => new DeltaJoiner({ ...two, key, seq: 4 })
  const read = (joiner: DeltaJoiner, messages: readonly { seq: number; bytes: Uint8Array }[]) => {
    for (const { seq, bytes } of messages) joiner.add(seq, bytes)
  }
  expect(() => read(holed(), [one, all[2]!])).toThrow(/the message 2 \(delta\) of commit 1 is gone/)
  expect(() => read(holed(), [one, all[1]!, two])).toThrow(/the message 3/)
  expect(() => read(holed(), [two])).toThrow(/follows 1/)
  expect(() => read(holed(), [one, { seq: 2, bytes: text('longer') }])).toThrow(/6 bytes/)
})
