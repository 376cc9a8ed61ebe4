// Who gives the memory of a commit back, and when.

import { afterEach, expect, test } from 'vitest'
import { SharedMemory } from '../memory/shared-memory.js'
import { RecentCommits } from './recent-commits.js'

const size = 100_000
const sharedMemory = new SharedMemory()
let lent: Uint8Array[] = []

afterEach(() => {
  for (const bytes of lent) sharedMemory.give(bytes)
  lent = []
})

/** Of the pool, but for the checkpoint that a commit begins with. */
function commit(messages: number) {
  const rows = Array.from({ length: messages }, () => sharedMemory.take(size))
  lent.push(...rows)
  const of = (table: string, bytes: Uint8Array) => ({ natsSubject: `ledger.0.${table}`, bytes })
  return [of('state', new Uint8Array(1)), ...rows.map(bytes => of('rated_usage', bytes))]
}

/** How many of the messages have given their memory back. */
function givenBack(messages: readonly { bytes: Uint8Array }[]): number {
  const before = sharedMemory.idleBytes
  let given = 0
  for (const { bytes } of messages) {
    const idle = sharedMemory.idleBytes
    sharedMemory.give(bytes)
    if (sharedMemory.idleBytes === idle && bytes.length === size) given += 1
  }
  expect(sharedMemory.idleBytes).toBeGreaterThanOrEqual(before)
  return given
}

test('while nobody reads, what is added is given back at once', () => {
  const messages = commit(2)
  new RecentCommits(sharedMemory, 1 << 20).add(1, messages)
  expect(givenBack(messages)).toBe(2)
})

test("what is taken is the reader's until he releases it", () => {
  const recent = new RecentCommits(sharedMemory, 1 << 20)
  recent.open()
  const messages = commit(3)
  recent.add(1, messages)
  const taken = recent.take(2)
  expect(taken?.messages).toBe(messages)
  const rows = taken!.messages.slice(1)
  rows[0]!.bytes.fill(7)
  recent.forget(100)
  expect(sharedMemory.take(size).buffer).not.toBe(rows[0]!.bytes.buffer)
  const idle = sharedMemory.idleBytes
  recent.release(rows)
  recent.release(rows)
  expect(sharedMemory.idleBytes).toBeGreaterThan(idle)
  expect(givenBack(rows)).toBe(3)
})

test('what does not fit, lies behind the reader, or is left when he goes is given back', () => {
  const recent = new RecentCommits(sharedMemory, size * 4)
  const leave = recent.open()
  const commits = [commit(2), commit(2), commit(1)]
  for (const [i, messages] of commits.entries()) recent.add(1 + i * 3, messages)
  expect(recent.firstSeq).toBe(4)
  expect(givenBack(commits[0]!)).toBe(2)
  recent.forget(7)
  expect(givenBack(commits[1]!)).toBe(2)
  expect(recent.has(7)).toBe(true)
  leave()
  expect(recent.count).toBe(0)
  expect(givenBack(commits[2]!)).toBe(1)
})
