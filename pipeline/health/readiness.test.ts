// The causes that make Weir not ready, and the words that report them.

import type { StreamInfo } from '@nats-io/jetstream'
import { expect, test } from 'vitest'
import type { DeliveryStatus } from '../deliver/delivery-status.js'
import type { EngineStatus } from '../engine/engine.js'
import { withoutQuorum } from './pressure.js'
import { readinessOf } from './readiness.js'

const nowMs = 1_000_000
const none = { metering: 0, lifecycle: 0, catalog: 0 }

function engine(change: Partial<EngineStatus> = {}): EngineStatus {
  const base = { partition: 0, state: 'running', stateSinceMs: 0, lag: none, failure: undefined }
  return { ...base, ...change } as EngineStatus
}

function feed(change: Partial<DeliveryStatus> = {}): DeliveryStatus {
  return { key: 'clickhouse', sink: 'clickhouse', state: 'running', ...change } as DeliveryStatus
}

const ofEngine = (change: Partial<EngineStatus>, holdsBack = false) =>
  readinessOf({ partitions: [engine(change)], feeds: [], holdsBack }, nowMs)
const ofFeed = (change: Partial<DeliveryStatus>) =>
  readinessOf({ partitions: [engine()], feeds: [feed(change)] }, nowMs)

test('a commit that the broker does not answer takes readiness away, in the broker’s words', () => {
  const trouble = 'no space left on device'
  const waits = ofEngine({ committingSinceMs: nowMs - 6_000, trouble })
  expect(waits.ready).toBe(false)
  expect(waits.checks[0]!.detail).toBe('a commit has waited for 6 s: no space left on device')
  expect(ofEngine({ committingSinceMs: nowMs - 500 }).ready).toBe(true)
})

test('JetStream without an answer or a quorum is told at once and takes readiness away after some seconds', () => {
  const silent = (ms: number) =>
    readinessOf(
      { partitions: [engine()], feeds: [], silence: { sinceMs: nowMs - ms, detail: 'timeout' } },
      nowMs,
    )
  expect(silent(1_000)).toMatchObject({ ready: true, checks: [{}, { name: 'jetstream', ok: true }] })
  expect(silent(6_000)).toMatchObject({
    ready: false,
    checks: [{}, { ok: false, detail: 'for 6 s: timeout' }],
  })
})

test('a stream has its quorum while more than half of its servers are heard of', () => {
  const of = (...active: number[]) => {
    const replicas = active.map(ns => ({ name: 'n', current: true, active: ns }))
    return withoutQuorum({ config: { name: 'LEDGER' }, cluster: { replicas } } as unknown as StreamInfo)
  }
  expect([of(), of(1e9, 1e9), of(1e9, 9e9)]).toEqual(['', '', ''])
  expect(of(9e9, 9e9)).toBe('LEDGER has no quorum: 1 of its 3 servers are there')
})

test('input that waits while nothing is committed takes readiness away; idleness does not', () => {
  const lag = { ...none, metering: 3 }
  expect(ofEngine({ lag, lastCommitAtMs: nowMs - 31_000 }).ready).toBe(false)
  expect(ofEngine({ lag, lastCommitAtMs: nowMs - 31_000 }, true).ready).toBe(true) // held back on purpose
  expect(ofEngine({ lag, lastCommitAtMs: nowMs - 1_000 }).ready).toBe(true)
  expect(ofEngine({ lag, stateSinceMs: nowMs - 1_000 }).ready).toBe(true) // it has only begun
  expect(ofEngine({ lastCommitAtMs: nowMs - 3_600_000 }).ready).toBe(true)
})

test('a partition that stopped shows its code, one that is claimed again what is wrong', () => {
  const failure = { code: 'checkpoint_missing', detail: 'It was purged.' } as const
  expect(ofEngine({ state: 'failed', failure }).checks[0]!.detail).toBe('checkpoint_missing: It was purged.')
  expect(ofEngine({ state: 'claiming', trouble: 'timeout' })).toMatchObject({
    ready: false,
    checks: [{ detail: 'claiming: timeout' }],
  })
  expect(ofEngine({ state: 'fenced' }).ready).toBe(true)
})

test('a sink that has not taken its range is shown soon and takes readiness away late; a paused one never', () => {
  expect(ofFeed({ applyingSinceMs: nowMs - 1_000 })).toMatchObject({
    ready: true,
    checks: [{}, { ok: true }],
  })
  const slow = ofFeed({ applyingSinceMs: nowMs - 15_000 })
  expect(slow).toMatchObject({ ready: true, checks: [{}, { ok: false }] })
  expect(slow.checks[1]!.detail).toContain('15 s ago')
  expect(ofFeed({ applyingSinceMs: nowMs - 31_000, state: 'retrying' }).ready).toBe(false)
  const hold = { code: 'paused', detail: 'paused by ops: the ERP is migrated' } as const
  const paused = ofFeed({ applyingSinceMs: nowMs - 31_000, state: 'paused', hold })
  expect(paused.ready).toBe(true)
  expect(paused.checks[1]!.detail).toBe('paused: paused by ops: the ERP is migrated')
  expect(ofFeed({}).ready).toBe(true)
})

test('what is wrong with a server that runs here is said first', () => {
  const servers = [{ server: 'nats-server', detail: 'no space left on device: 0 bytes are free on /data' }]
  const { ready, checks } = readinessOf({ partitions: [engine()], feeds: [], servers }, nowMs)
  expect(ready).toBe(false)
  expect(checks[0]).toMatchObject({ name: 'server_nats_server', ok: false, detail: servers[0]!.detail })
})

test('messages that nobody brings to their partition show after a while, and take readiness away after a longer one', () => {
  const trouble = { code: 'jetstream_10077', detail: 'maximum bytes exceeded' }
  const after = (seconds: number) => {
    const placing = { messages: 3, waitingSinceMs: nowMs - seconds * 1_000, trouble }
    return readinessOf({ partitions: [engine()], feeds: [], placing }, nowMs)
  }
  expect(after(1)).toMatchObject({ ready: true, checks: [{ name: 'placing', ok: false }, {}] })
  expect(after(31).ready).toBe(false)
  expect(after(31).checks[0]!.detail).toBe(
    '3 messages of UNPLACED wait, and none was placed for 31 s: jetstream_10077: maximum bytes exceeded',
  )
  const idle = { messages: 0, waitingSinceMs: undefined, trouble: undefined }
  const { ready, checks } = readinessOf({ partitions: [], feeds: [], placing: idle }, nowMs)
  expect({ ready, checks }).toEqual({
    ready: true,
    checks: [{ name: 'placing', ok: true, detail: 'running' }],
  })
})
