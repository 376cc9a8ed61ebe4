// How messages are cut into ranges, and what a range waits for.

import { afterEach, expect, test } from 'vitest'
import { CommitsUnderWay } from '../ledger/commits-under-way.js'
import { defaultDeliverLimits } from './deliver-limits.js'
import { RangeCutter } from './range-cutter.js'
import type { ReadMessage } from './read-feed.js'

const never = new AbortController().signal
const patient = { ...defaultDeliverLimits, paceMinMs: 3_600_000, paceMaxMs: 3_600_000, settleMs: 1 }

/** A stream to which messages are added by hand; a message counts as held when the next one is asked for. */
class Feed {
  #next: (() => void) | undefined
  #waiting: ReadMessage[] = []
  #asked = new Set<() => void>()

  async *read(): AsyncGenerator<ReadMessage> {
    for (;;) {
      while (this.#waiting.length > 0) yield this.#waiting.shift()!
      for (const asked of this.#asked) asked()
      this.#asked.clear()
      await new Promise<void>(resolve => (this.#next = resolve))
    }
  }

  /** Resolves when it is held. */
  async add(sequence: number): Promise<void> {
    const held = new Promise<void>(resolve => this.#asked.add(resolve))
    this.#waiting.push({ sequence, natsSubject: 'x', bytes: Buffer.from('x'), pending: 0 })
    this.#next?.()
    await held
  }
}

const feeds: { cutter: RangeCutter; feed: Feed }[] = []
async function cut(
  underWay: CommitsUnderWay,
  limits = patient,
): Promise<{ cutter: RangeCutter; feed: Feed }> {
  const feed = new Feed()
  const cutter = new RangeCutter(
    () => feed.read(),
    1,
    limits,
    () => undefined,
    underWay,
  )
  await new Promise(resolve => setImmediate(resolve))
  feeds.push({ cutter, feed })
  return { cutter, feed }
}

afterEach(async () => {
  for (const { cutter, feed } of feeds.splice(0)) {
    const closed = cutter.close()
    void feed.add(0)
    await closed
  }
})

const sequences = (messages: readonly { sequence: number }[]): number[] => messages.map(one => one.sequence)

test('the messages of commits that are under way together become one range', async () => {
  const underWay = new CommitsUnderWay()
  const { cutter, feed } = await cut(underWay)
  const [first, second] = [underWay.begin(), underWay.begin()]
  await feed.add(1)
  first()
  await new Promise(resolve => setTimeout(resolve, 20)) // far longer than messages settle
  expect(cutter.ready).toBe(false)
  await feed.add(2)
  second()
  expect(sequences(await cutter.next(never))).toEqual([1, 2])
})

test('a commit that begins when messages wait already is not waited for', async () => {
  const underWay = new CommitsUnderWay()
  const { cutter, feed } = await cut(underWay)
  const first = underWay.begin()
  await feed.add(1)
  underWay.begin()
  first()
  expect(sequences(await cutter.next(never))).toEqual([1])
})

test('a commit that never ends is waited for no longer than the pace', async () => {
  const underWay = new CommitsUnderWay()
  const { cutter, feed } = await cut(underWay, { ...patient, paceMinMs: 15 })
  underWay.begin()
  await feed.add(1)
  expect(sequences(await cutter.next(never))).toEqual([1])
})

test('a full range is cut whatever is under way', async () => {
  const underWay = new CommitsUnderWay()
  const { cutter, feed } = await cut(underWay, { ...patient, rangeMessages: 2 })
  underWay.begin()
  for (const sequence of [1, 2, 3]) await feed.add(sequence)
  expect(sequences(await cutter.next(never))).toEqual([1, 2])
  expect(cutter.ready).toBe(false)
})

test('a sink that takes long is given ranges at a slower pace, within its bounds', async () => {
  const underWay = new CommitsUnderWay()
  const { cutter, feed } = await cut(underWay, { ...patient, paceMinMs: 0, paceMaxMs: 80 })
  await feed.add(1)
  expect(sequences(await cutter.next(never))).toEqual([1])
  const cutMs = performance.now()
  await new Promise(resolve => setTimeout(resolve, 60)) // the sink applies it
  await feed.add(2)
  expect(sequences(await cutter.next(never))).toEqual([2])
  expect(performance.now() - cutMs).toBeGreaterThan(75)
})

test('that a batch has ended counts once', () => {
  const underWay = new CommitsUnderWay()
  const ends = [underWay.begin(), underWay.begin()]
  let calls = 0
  const takeBack = underWay.onEnd(() => (calls += 1))
  ends[0]!()
  ends[0]!()
  expect(underWay.hasUpTo(1)).toBe(false)
  expect(underWay.hasUpTo(2)).toBe(true)
  takeBack()
  ends[1]!()
  expect(underWay.hasUpTo(underWay.newest)).toBe(false)
  expect(calls).toBe(1)
})
