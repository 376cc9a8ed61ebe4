// The cache of resolved prices against resolving them anew.

import { expect, test } from 'vitest'
import { created, TestBench } from '../../testing/core-fixture.js'
import { PartitionState } from './partition-state.js'
import { PriceBook } from './price-book.js'

/** The book of a partition with one subscription. */
function book(): PriceBook {
  const bench = new TestBench()
  bench.send([created()])
  return new PriceBook(PartitionState.restore(Number.POSITIVE_INFINITY, undefined, [bench.core.snapshot()]))
}

test('prices asked for once are those that are kept, and are not kept themselves', () => {
  const one = book()
  const once = one.ofCustomerOnce('cus_1')
  expect(once).toHaveLength(1)
  expect(one.ofCustomerOnce('cus_1')).not.toBe(once)
  const kept = one.ofCustomer('cus_1')
  expect(kept).toEqual(once)
  expect(one.ofCustomer('cus_1')).toBe(kept)
  expect(one.ofCustomerOnce('cus_1')).toBe(kept)
  expect(one.ofSubscription('sub_1')).toBe(kept[0])
})

test('released prices are resolved anew, and come out the same', () => {
  const one = book()
  const kept = one.ofCustomer('cus_1')
  one.release('sub_1', 'cus_1')
  expect(one.ofCustomer('cus_1')).not.toBe(kept)
  expect(one.ofCustomer('cus_1')).toEqual(kept)
})

test('a customer who is not known has no prices', () => {
  expect(book().ofCustomer('nobody')).toEqual([])
  expect(book().ofCustomerOnce('nobody')).toEqual([])
})
