// What stands billed is found again: by customer, the newest of each charge, restored from deltas, a dump, or what an older
// version wrote.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Charge, chargeKinds } from '../../../schemas/billing/charge.js'
import { scaledMax } from '../../../schemas/money/decimal.js'
import { endlessNs } from '../../../schemas/time.js'
import { BilledCharges } from './billed-charges.js'
import { BilledMemory, noRecord } from './billed-memory.js'
import type { SealedCharge } from './records.js'

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('', 'größe 😀', 'a'.repeat(300)))
const scaled = fc.oneof(
  fc.bigInt({ min: -scaledMax, max: scaledMax }),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    scaledMax,
    -scaledMax,
    2n ** 51n,
    2n ** 51n - 1n,
    -(2n ** 51n),
    1n - 2n ** 51n,
  ),
)
const instant = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: endlessNs }), fc.constant(endlessNs))

const billed: fc.Arbitrary<Charge> = fc.record(
  {
    chargeId: text,
    customerId: text,
    subscriptionId: text,
    subscriptionVersion: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    entityId: text,
    contractId: text,
    correlationId: text,
    plan: text,
    planVersion: fc.nat(),
    price: text,
    meter: text,
    kind: fc.constantFrom(...chargeKinds),
    timing: fc.constantFrom('in_advance', 'in_arrears'),
    fromNs: instant,
    untilNs: instant,
    timezone: text,
    quantity: scaled,
    amount: scaled,
    amountRounded: scaled,
    currency: text,
    status: fc.constantFrom('open', 'closed'),
    corrects: text,
    billingRunId: text,
    discounts: fc.array(fc.record({ code: text.filter(code => code !== ''), amount: scaled }), {
      minLength: 1,
      maxLength: 3,
    }),
  },
  {
    requiredKeys: [
      ...(['chargeId', 'customerId', 'subscriptionId', 'subscriptionVersion', 'entityId'] as const),
      ...([
        'contractId',
        'correlationId',
        'plan',
        'planVersion',
        'price',
        'meter',
        'kind',
        'timing',
      ] as const),
      ...(['fromNs', 'untilNs', 'timezone', 'quantity', 'amount', 'amountRounded'] as const),
      ...(['currency', 'status'] as const),
    ],
  },
)

const step = fc.record({
  customerId: fc.constantFrom('c1', 'c2', 'c3'),
  chargeId: fc.constantFrom('ch_1', 'ch_2', 'ch_3', 'ch_ü'),
  billed: fc.option(billed, { nil: undefined, freq: 5 }),
})

test('it answers as a map of objects does, restored from deltas or a dump', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 5 }), commits => {
      const plain = new Map<string, Map<string, SealedCharge>>()
      const live = new BilledCharges()
      const restored = new BilledCharges()
      for (const commit of commits) {
        for (const { customerId, chargeId, billed: one } of commit) {
          const charge = one === undefined ? undefined : { ...one, customerId, chargeId }
          const sealed: SealedCharge = { chargeId, customerId, billed: charge }
          live.put(sealed)
          const own = plain.get(customerId) ?? new Map<string, SealedCharge>()
          plain.set(customerId, own.set(chargeId, sealed))
        }
        expect(live.changed).toBe(commit.length > 0)
        restored.apply(live.takeDelta())
        expect(live.changed).toBe(false)
      }
      const dumped = new BilledCharges()
      for (const part of live.dump()) dumped.apply(structuredClone(part))
      for (const map of [live, restored, dumped])
        for (const customerId of ['c1', 'c2', 'c3', 'nobody']) {
          const own = plain.get(customerId) ?? new Map<string, SealedCharge>()
          expect(new Map([...map.of(customerId)].sort())).toEqual(new Map([...own].sort()))
          for (const id of ['ch_1', 'ch_2', 'ch_3', 'ch_ü']) expect(map.has(customerId, id)).toBe(own.has(id))
        }
    }),
    { numRuns: 60 },
  )
})

test('what an older version wrote, an object for each charge, is taken over', () => {
  const [charge] = fc.sample(billed, { numRuns: 1, seed: 1 })
  const sealed = { chargeId: charge!.chargeId, customerId: charge!.customerId, billed: charge }
  const map = new BilledCharges()
  map.apply({ set: [[sealed.chargeId, sealed]], deleted: [] })
  expect([...map.of(sealed.customerId).values()]).toEqual([sealed])
  expect(map.changed).toBe(false)
})

test('charges of more plans and periods than a table holds are read back equal', () => {
  fc.assert(
    fc.property(fc.array(billed, { minLength: 1, maxLength: 8 }), fc.nat({ max: 2 }), (charges, most) => {
      const memory = new BilledMemory(most)
      let newest = noRecord
      const ats: number[] = []
      for (const charge of charges) {
        newest = memory.add({ chargeId: charge.chargeId, customerId: 'c', billed: charge }, newest)
        ats.push(newest)
      }
      for (const [i, at] of ats.entries()) {
        const expected = { ...charges[i], customerId: 'c' }
        expect(memory.read('c', at)).toEqual({
          chargeId: expected.chargeId,
          customerId: 'c',
          billed: expected,
        })
        expect(memory.before(at)).toBe(ats[i - 1] ?? noRecord)
      }
    }),
    { numRuns: 60 },
  )
})

test('a hundred thousand charges take about fifty bytes each', () => {
  const [charge] = fc.sample(billed, { numRuns: 1, seed: 3 })
  const map = new BilledCharges()
  for (let at = 0; at < 100_000; at += 1) {
    const chargeId = `ch_${String(at).padStart(32, '0')}`
    const customerId = `customer-${at % 10_000}`
    const { corrects: _, billingRunId: __, discounts: ___, ...plain } = charge!
    const amounts = { quantity: 1n, amount: 1n, amountRounded: 1n }
    map.put({ chargeId, customerId, billed: { ...plain, ...amounts, chargeId, customerId } })
  }
  expect(map.bytes / 100_000).toBeLessThan(60)
  expect(map.of('customer-7').size).toBe(10)
})
