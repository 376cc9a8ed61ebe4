// A state is stored and read piece by piece; what older versions wrote in one piece is read too.

import { deserialize, serialize } from 'node:v8'
import { expect, test } from 'vitest'
import { DedupeTable } from './dedupe-table.js'
import { daysKept, PartitionState } from './partition-state.js'
import { piecesOf } from './state-pieces.js'

const horizonMs = 86_400_000
const entries = 2_500

interface Part {
  readonly set: readonly unknown[]
  readonly packed?: { readonly set: readonly unknown[] }
}

const table = () => new DedupeTable(daysKept(horizonMs), { segments: true })

function filled(): PartitionState {
  const state = new PartitionState(horizonMs, table())
  for (let at = 0; at < entries; at += 1) {
    const customer = state.customer(`customer-${at}`)
    customer.subscriptionIds = [`sub-${at}`]
    state.noteEntity(`entity-${at}`)
    const chargeId = `ch_${at}`
    state.maps.sealed.put({ chargeId, customerId: customer.customerId, billed: undefined })
  }
  return state
}

function contentsOf(state: PartitionState): unknown {
  const ids = state.customersInOrder()
  const sealed = ids.map(id => [...state.maps.sealed.of(id).values()])
  return { customers: [...state.maps.customers.entries()], entities: [...state.maps.entities.keys()], sealed }
}

test('a snapshot is many pieces, none with more than a thousand entries of a map, and they are the state', () => {
  const state = filled()
  const { state: pieces } = state.takeSnapshot()
  expect(pieces.length).toBeGreaterThan(3)
  const whole = Buffer.concat(pieces)
  for (const piece of piecesOf(whole)) {
    const { maps } = deserialize(piece) as { maps: Record<string, Part> }
    for (const { set, packed } of Object.values(maps))
      expect(set.length + (packed?.set.length ?? 0)).toBeLessThanOrEqual(1_000)
  }
  const restored = PartitionState.restore(horizonMs, whole, [], table())
  expect(contentsOf(restored)).toEqual(contentsOf(state))
  const valuesOf = (bytes: Uint8Array) => Array.from(piecesOf(bytes), piece => deserialize(piece) as unknown)
  expect(valuesOf(Buffer.concat(restored.takeSnapshot().state))).toEqual(valuesOf(whole))
})

test('a snapshot in one piece of an older format is read', () => {
  const state = filled()
  const { maps, ...rest } = deserialize(state.takeDelta()) as { maps: Record<string, object> }
  const asObjects = { set: [...state.maps.customers.entries()], deleted: [] }
  const older = serialize({ ...rest, maps: { ...maps, customers: asObjects }, format: 7 })
  expect(contentsOf(PartitionState.restore(horizonMs, older, []))).toEqual(contentsOf(filled()))
})

test('a state that was cut off, or lacks a map, is refused', () => {
  const whole = filled().snapshot()
  const restore = (bytes: Uint8Array) => () => PartitionState.restore(horizonMs, bytes, [])
  expect(restore(whole.subarray(0, whole.length - 1))).toThrow('The state is damaged')
  const { maps, ...rest } = deserialize([...piecesOf(whole)][0]!) as { maps: Record<string, unknown> }
  const { runs: _, ...others } = maps
  expect(restore(serialize({ ...rest, maps: others }))).toThrow('The state lacks its map runs.')
})
