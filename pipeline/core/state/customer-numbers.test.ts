import { expect, test } from 'vitest'
import { partitionOf } from '../../../schemas/identifiers.js'
import { CustomerNumbers, unknownCustomer } from './customer-numbers.js'

/** As they lie in a message: one after another in one piece of memory. */
function spansOf(ids: readonly string[]) {
  const from = new Int32Array(ids.length)
  const until = new Int32Array(ids.length)
  let end = 0
  ids.forEach((id, i) => {
    from[i] = end
    end += Buffer.byteLength(id)
    until[i] = end
  })
  return { bytes: Buffer.from(ids.join('')), from, until }
}

test('customers of one partition and of all have numbers of their own, and are found one by one and together', () => {
  const all = Array.from({ length: 20_000 }, (_, i) => `customer-${i * 7}-é`)
  for (const ids of [all, all.filter(id => partitionOf(id, 4) === 2)]) {
    const customers = new CustomerNumbers()
    const numbers = ids.map(id => customers.numberOf(id))
    expect(numbers).toEqual(ids.map((_, i) => i))
    expect(ids.map(id => customers.numberOf(id))).toEqual(numbers)
    expect(numbers.map(number => customers.idOf(number))).toEqual(ids)
    const asked = ids.flatMap(id => [id, `${id}x`, id.slice(1)])
    const { bytes, from, until } = spansOf(asked)
    const known = asked.map((_, i) => customers.find(bytes, from[i]!, until[i]!))
    expect(known).toEqual(numbers.flatMap(number => [number, unknownCustomer, unknownCustomer]))
    const wanted = Uint8Array.from(asked, (_, i) => (i % 5 === 0 ? 0 : 1))
    const together = new Int32Array(asked.length).fill(-9)
    customers.findAll(bytes, wanted, from, until, asked.length, together)
    expect([...together]).toEqual(known.map((number, i) => (wanted[i] === 0 ? unknownCustomer : number)))
  }
})
