// The rate of an account holds over connections and processes, also after a day in which nothing went.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { startNatsServer } from '../../deploy/embedded/nats-server.js'
import type { Limiter } from '../../sinks/http/limiter.js'
import { pauseFor } from '../broker/back-off.js'
import type { Clock } from '../deliver/connection-options.js'
import { accountLimiter } from './account-limiter.js'
import { type AccountLine, accountLine, shareOf } from './account-line.js'

/** Moves on to the earliest moment that somebody waits for, when all wait. */
class SharedClock implements Clock {
  #nowMs = 86_400_000
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(wake => {
      if (signal.aborted) return wake()
      signal.addEventListener('abort', () => wake(), { once: true })
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake })
    })
  }

  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await new Promise(resolve => setImmediate(resolve))
      this.#sleepers.sort((a, b) => a.atMs - b.atMs)
      const first = this.#sleepers.shift()
      if (first === undefined) continue
      this.#nowMs = Math.max(this.#nowMs, first.atMs)
      first.wake()
    }
  }
}

interface Load {
  readonly begun: { readonly atMs: number; readonly process: number }[]
  /** The most requests that were under way at the same time. */
  most: number
}

/** Each process keeps eight requests wanting to go until `total` have gone, each of `requestMs`. */
async function load(
  limiters: readonly Limiter[],
  total: number,
  requestMs: number,
  clock: Clock,
): Promise<Load> {
  const done: Load = { begun: [], most: 0 }
  let underWay = 0
  const lane = async (limiter: Limiter, process: number): Promise<void> => {
    const { signal } = new AbortController()
    while (done.begun.length < total) {
      const leave = await limiter.enter(signal)
      done.begun.push({ atMs: clock.nowMs(), process })
      underWay += 1
      done.most = Math.max(done.most, underWay)
      await clock.pause(requestMs, signal)
      underWay -= 1
      leave?.()
    }
  }
  await Promise.all(limiters.flatMap((one, n) => Array.from({ length: 8 }, () => lane(one, n))))
  return done
}

function expectAtMost(limit: number, { begun }: Load): void {
  for (const { atMs: fromMs } of begun) {
    const within = begun.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 1_000).length
    expect(within).toBeLessThanOrEqual(limit)
  }
}

function memoryLine(clock: Clock): (process: string) => AccountLine {
  let state: Parameters<typeof shareOf>[0] = { free_at: 0, holders: {} }
  return process => ({
    async ask(wish) {
      const { next, share } = shareOf(state, process, wish, clock.nowMs())
      state = next
      return share
    },
  })
}

test('three processes with a backlog of a day begin no more than ten requests in any second, and lose little of it', async () => {
  const clock = new SharedClock()
  const line = memoryLine(clock)
  const limiters = ['a', 'b', 'c'].map(one => accountLimiter({ per_second: 10 }, line(one), clock))
  let isOver = false
  const loaded = load(limiters, 300, 50, clock).finally(() => (isOver = true))
  await clock.run(() => isOver)
  const done = await loaded
  expectAtMost(10, done)
  const seconds = (done.begun[299]!.atMs - done.begun[0]!.atMs) / 1_000
  expect(seconds).toBeLessThan((300 / 10) * 1.15)
})

for (const concurrent of [5, 1]) {
  test(`three processes have no more than ${concurrent} requests under way together, and each gets its turn`, async () => {
    const clock = new SharedClock()
    const line = memoryLine(clock)
    const limiters = ['a', 'b', 'c'].map(one => accountLimiter({ concurrent }, line(one), clock))
    let isOver = false
    const loaded = load(limiters, 400, 300, clock).finally(() => (isOver = true))
    await clock.run(() => isOver)
    const { most, begun } = await loaded
    expect(most).toBeLessThanOrEqual(concurrent)
    for (const process of [0, 1, 2])
      expect(begun.filter(one => one.process === process).length).toBeGreaterThan(60)
  })
}

test('a process that says nothing for ten seconds has no places, and what it had goes to the others', () => {
  const wish = { slots: 0, intervalMs: 0, concurrent: 4, inUse: 0 }
  const first = shareOf({ free_at: 0, holders: {} }, 'a', wish, 1_000)
  expect(first.share.places).toBe(4)
  expect(shareOf(first.next, 'b', wish, 10_999).share.places).toBe(0)
  expect(shareOf(first.next, 'b', wish, 11_000).share.places).toBe(4)
})

test('two processes share an account over a real broker, which is asked for many requests at once', async () => {
  const storeDir = await mkdtemp(join(tmpdir(), 'weir-account-'))
  const server = await startNatsServer({ storeDir })
  const nc = await connect({ ...server.login() })
  try {
    const jsm = await jetstreamManager(nc)
    const kv = await new Kvm(jetstream(nc)).create('weir_sinks')
    const clock = { nowMs: () => performance.now(), pause: pauseFor }
    let asked = 0
    const limiters = ['a', 'b'].map(process => {
      const line = accountLine({ kv, jsm, kind: 'xero', account: 'org', process })
      const counted: AccountLine = {
        ask(wish) {
          asked += 1
          return line.ask(wish)
        },
      }
      return accountLimiter({ per_second: 40, concurrent: 6 }, counted, clock)
    })
    const done = await load(limiters, 50, 20, clock)
    expectAtMost(40, done)
    expect(done.most).toBeLessThanOrEqual(6)
    expect(asked).toBeLessThan(30)
    expect(new Set(done.begun.map(({ process }) => process))).toEqual(new Set([0, 1]))
  } finally {
    await nc.close()
    await server.stop()
    await rm(storeDir, { recursive: true, force: true })
  }
})
