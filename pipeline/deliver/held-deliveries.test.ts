// What the flow gate holds of a connection, with a connector and a log in memory and a clock that the test moves.

import { expect, test } from 'vitest'
import type { Connector, ConnectorRecord } from '../../sinks/connector.js'
import type { FeedMessage, RefusedRecord } from '../../sinks/sink.js'
import { ConnectionLoop } from './connection-loop.js'
import type { StoredStep } from './delivery-log.js'
import type { Hold, Refusal } from './flow-gate.js'
import { type SteeredGate, steeredGate } from './testing/flow-gates.js'

const frozen: Hold = { code: 'frozen', detail: 'month end' }

function message(sequence: number): FeedMessage {
  return {
    sequence,
    natsSubject: 'postings.de',
    bytes: new TextEncoder().encode(String(sequence)),
    storedAtMs: 0,
  }
}

function recordOf({ sequence }: FeedMessage): ConnectorRecord {
  const id = `r${sequence}`
  return { kind: 'journal', id, key: id, recordedAt: '2026-01-01T00:00:00Z', document: { n: sequence } }
}

/** What a restart keeps: the steps of the log and what the receiver has. */
class Rig {
  readonly gate: SteeredGate = steeredGate()
  readonly steps: StoredStep[] = []
  readonly sent: string[] = []
  readonly setAside: RefusedRecord[] = []
  nowMs = 0
  #stopping = new AbortController()
  #loop!: ConnectionLoop
  #attended: Promise<void> = Promise.resolve()

  start(limits = {}): void {
    this.#stopping = new AbortController()
    const connector: Connector = {
      pageSize: 2,
      attemptMs: 1_000,
      settlesWithinMs: 0,
      check: async () => ({ kind: 'ready' }),
      put: async records => {
        this.sent.push(...records.map(({ id }) => id))
        return records.map(({ id }) => ({ kind: 'accepted', externalId: id }))
      },
      find: async () => ({ kind: 'absent' }),
    }
    const append: (step: Omit<StoredStep, 'step' | 'sequence'>) => number = step =>
      this.steps.push({ ...step, step: '', sequence: this.steps.length + 1 })
    this.#loop = new ConnectionLoop({
      connection: 'c',
      connector,
      gate: this.gate,
      log: {
        open: async () => {
          const last = this.steps.at(-1)
          append({ taken_up_to: last?.taken_up_to ?? 0, replay_from: last?.replay_from ?? 0, changed: [] })
          return this.steps
        },
        append: async step => append(step),
      },
      exceptions: {
        list: async () => this.setAside,
        setAside: async records => void this.setAside.push(...records),
        markTaken: async () => true,
        takeBack: async record => void this.setAside.splice(this.setAside.indexOf(record), 1),
      },
      clock: {
        nowMs: () => this.nowMs,
        // Time stands still unless the test moves it: the loop only lets others run.
        pause: () => new Promise(resolve => setImmediate(resolve)),
      },
      recordsOf: one => ({ records: [recordOf(one)] }),
      limits,
    })
    const attendance = { stopping: this.#stopping.signal, aborting: new AbortController().signal }
    this.#attended = this.#loop.attend({ ...attendance, isPaused: () => false })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#attended
  }

  takeIn(from: number, to: number, signal = new AbortController().signal) {
    const messages = Array.from({ length: to - from + 1 }, (_, n) => message(from + n))
    return this.#loop.apply({ stream: 'POSTINGS', from, to, token: `${from}`, messages }, signal)
  }

  backlog = () => this.#loop.backlog()

  /** The states that the log says of a record, in order. */
  states(id: string): string[] {
    return this.steps.flatMap(({ changed }) =>
      changed.filter(({ key }) => key === id).map(({ state }) => state),
    )
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise(resolve => setImmediate(resolve))
  }
}

test('what the gate holds is in the log with its reason, its neighbours go, and once free it leaves before what came later', async () => {
  const rig = new Rig()
  rig.gate.steer({ record: ({ document }) => (document['n'] === 2 ? undefined : frozen) })
  rig.start()
  await rig.takeIn(1, 5)
  await rig.until(() => rig.backlog()?.heldBy['frozen'] === 4 && rig.sent.length === 1)
  expect(rig.sent).toEqual(['r2'])
  const held = rig.steps
    .flatMap(({ changed }) => changed)
    .find(({ key, state }) => key === 'r1' && state === 'held')
  expect(held?.held).toEqual({ code: 'frozen', detail: 'month end' })
  await rig.takeIn(6, 7)
  await rig.until(() => rig.backlog()?.heldBy['frozen'] === 6)
  rig.gate.steer({ record: () => undefined })
  await rig.until(() => rig.sent.length === 7)
  expect(rig.sent).toEqual(['r2', 'r1', 'r3', 'r4', 'r5', 'r6', 'r7'])
  await rig.until(() => rig.backlog()?.byState['sending'] === undefined)
  expect(rig.states('r1')).toEqual(['waiting', 'held', 'waiting', 'sending', 'posted'])
  await rig.stop()
})

test('a hold with an end is over when the clock says so, also in another process, and another reason replaces the first', async () => {
  const rig = new Rig()
  rig.gate.steer({ record: () => (rig.nowMs < 1_000 ? { ...frozen, untilMs: 1_000 } : undefined) })
  rig.start()
  await rig.takeIn(1, 3)
  await rig.until(() => rig.backlog()?.heldBy['frozen'] === 3)
  await rig.stop()
  rig.start()
  await rig.until(() => rig.backlog()?.heldBy['frozen'] === 3)
  rig.nowMs = 999
  rig.gate.steer({
    record: () => (rig.nowMs < 1_000 ? { code: 'read_only', detail: 'audit', untilMs: 1_000 } : undefined),
  })
  await rig.until(() => rig.backlog()?.heldBy['read_only'] === 3)
  expect(rig.sent).toEqual([])
  rig.nowMs = 1_000
  await rig.until(() => rig.sent.length === 3)
  expect(rig.sent).toEqual(['r1', 'r2', 'r3'])
  await rig.stop()
})

test('beyond the most that is held, records wait in the stream, and come once some are free', async () => {
  const rig = new Rig()
  rig.gate.steer({ record: () => frozen })
  rig.start({ heldMost: 2, openMost: 1, stepRecords: 1 })
  const given = new AbortController()
  const refused = rig.takeIn(1, 6, given.signal)
  await rig.until(() => (rig.backlog()?.heldBy['frozen'] ?? 0) >= 2)
  given.abort()
  expect(await refused).toMatchObject({ kind: 'retryable', code: 'connection_backlog' })
  const there = rig.steps.at(-1)!.taken_up_to
  expect(there).toBeLessThan(6)
  rig.gate.steer({ record: () => undefined })
  await rig.takeIn(1, 6)
  await rig.until(() => rig.sent.length === 6)
  expect(rig.sent).toEqual(['r1', 'r2', 'r3', 'r4', 'r5', 'r6'])
  await rig.stop()
})

test('what somebody rejects is set aside for ever, also where a rule held it before, and is not tried at the next start', async () => {
  const rig = new Rig()
  const rejected: Refusal = {
    isFinal: true,
    code: 'rejected_by_approval',
    detail: 'ap_1: the price is wrong',
  }
  const waits: Hold = { code: 'waiting_approval', detail: 'ap_1 waits for a second person' }
  rig.gate.steer({ record: ({ document }) => (document['n'] === 2 ? waits : undefined) })
  rig.start()
  await rig.takeIn(1, 3)
  await rig.until(() => rig.sent.length === 2 && rig.backlog()?.heldBy['waiting_approval'] === 1)
  rig.gate.steer({ record: ({ document }) => (document['n'] === 2 ? rejected : undefined) })
  await rig.until(() => rig.states('r2').includes('refused'))
  expect(rig.states('r2')).toEqual(['waiting', 'held', 'refused'])
  const last = rig.steps.flatMap(({ changed }) => changed).find(one => one.state === 'refused')
  expect(last).toMatchObject({ held: { code: rejected.code, detail: rejected.detail }, attempt_count: 0 })
  await rig.stop()
  rig.start()
  await rig.takeIn(4, 4)
  await rig.until(() => rig.sent.length === 3)
  expect([rig.sent, rig.setAside.map(({ code }) => code)]).toEqual([['r1', 'r3', 'r4'], [rejected.code]])
  expect(rig.states('r2')).toHaveLength(3)
  await rig.stop()
})
