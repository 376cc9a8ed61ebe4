// Keys of customers on a real broker: made once however many ask, gone from the disk once they are erased.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Broker, startBroker } from '../testing/engine-harness.js'
import { CustomerKeys } from './customer-keys.js'

let broker: Broker
let nowMs = Date.UTC(2026, 0, 1)

beforeAll(async () => {
  broker = await startBroker(1)
})

afterAll(async () => {
  await broker?.stop()
})

const keysOfProcess = () => new CustomerKeys(jetstream(broker.nc), broker.jsm, () => nowMs)

async function isOnDisk(text: string): Promise<boolean> {
  for (const entry of await readdir(broker.storeDir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && (await readFile(join(entry.parentPath, entry.name))).includes(text)) return true
  }
  return false
}

test('processes that ask at once for the key of a customer get one and the same', async () => {
  const asked = await Promise.all(
    Array.from({ length: 8 }, () => keysOfProcess().keysFor(['acme', 'ünï', 'acme'])),
  )
  const sealed = asked.map(keys => keys.get('acme')?.seal('"x"'))
  expect(new Set(sealed).size).toBe(1)
  expect(asked[0]?.get('ünï')?.seal('"x"')).not.toBe(sealed[0])
})

test('an erased key is not on the disk any more, opens nothing, and the next one has the next number', async () => {
  const [first, other] = [keysOfProcess(), keysOfProcess()]
  const text = (await first.keysFor(['gone'])).get('gone')!.seal('"secret"')
  await other.keysFor(['gone'])
  const stored = await broker.jsm.streams.getMessage('PERSONAL_KEYS', { seq: await lastSequence() })
  const { key } = stored!.json<{ key: string }>()
  expect(await isOnDisk(key)).toBe(true)
  expect(await first.find('gone').then(found => found?.open(text))).toBe('"secret"')

  const erased = await first.erase('gone')
  expect(erased).toEqual({ generation: 1, erasedAt: '2026-01-01T00:00:00.000Z', wasErased: false })
  expect(await isOnDisk(key)).toBe(false)
  expect(await first.find('gone')).toBeUndefined()
  expect(await other.erase('gone')).toEqual({ ...erased, wasErased: true })

  nowMs += 10_001 // as long as another process trusts a key that it has read
  const next = (await other.keysFor(['gone'])).get('gone')!
  expect(next.generation).toBe(2)
  expect(next.open(text)).toBeUndefined()
})

test('a customer of whom nothing was sealed has nothing to erase', async () => {
  expect(await keysOfProcess().erase('nobody')).toEqual({
    generation: null,
    erasedAt: null,
    wasErased: false,
  })
})

async function lastSequence(): Promise<number> {
  return (await broker.jsm.streams.info('PERSONAL_KEYS')).state.last_seq
}
