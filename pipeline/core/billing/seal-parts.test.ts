// A run over random histories: in parts or at once, as a preview or for good, with customers held back or not, it bills the
// same.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import type { HeldBack, HeldFromRuns } from '../../../schemas/billing/held-back.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { formatScaled, parseDecimal } from '../../../schemas/money/decimal.js'
import { environment } from '../../environment.js'
import { drive, nothing } from '../../testing/random/drive.js'
import { type History, histories } from '../../testing/random/histories.js'
import { type BillingRunOrder, PartitionCore } from '../core.js'
import { unlimitedCoreLimits } from '../ports/core-limits.js'

const numRuns = Number(environment()['WEIR_ORACLE_RUNS'] ?? 40)

interface Sealed {
  readonly texts: readonly string[]
  readonly heldBack: readonly HeldBack[]
  readonly core: PartitionCore
  readonly parts: number
}

function coreOf(snapshot: Uint8Array, runLinesPerCommit = Number.POSITIVE_INFINITY): PartitionCore {
  const limits = { ...unlimitedCoreLimits, runLinesPerCommit }
  return PartitionCore.restore({ partition: 0, partitions: 1, oneSource: true, limits }, snapshot, [])
}

/** `between`: what becomes of the core between two parts. */
function seal(
  core: PartitionCore,
  order: BillingRunOrder,
  between: (core: PartitionCore) => PartitionCore = same => same,
): Sealed {
  const texts: string[] = []
  for (let parts = 1; ; parts += 1) {
    const output = core.process({ ...nothing, nowMs: 0, commit: 1, orders: [order] })
    for (const { table, bytes } of output.outputs)
      if (table === 'sealed') texts.push(...Buffer.from(bytes).toString('utf8').trim().split('\n'))
    if (!output.goesOn) {
      const end = JSON.parse(texts.pop() ?? '') as { line_count: number; held_back?: HeldBack[] }
      expect(end.line_count).toBe(texts.length)
      return { texts, heldBack: end.held_back ?? [], core, parts }
    }
    core = between(core)
  }
}

/** Of a core whose rows go to its tap alone. */
function bill(core: PartitionCore, order: BillingRunOrder): void {
  while (core.process({ ...nothing, nowMs: 0, commit: 1, orders: [order] }).goesOn);
}

const lineOf = (text: string) => JSON.parse(text) as ChargeWire

/** What does not tell which run it is of. */
function bare(text: string): string {
  const { billing_run_id: _, charge_id, ...line } = lineOf(text)
  return JSON.stringify({ ...line, charge_id: line.corrects === undefined ? charge_id : '' })
}

/** The state after the history; undefined when nothing is owed. `midway` runs after half of it. */
function after(history: History, midway: (core: PartitionCore) => void = () => undefined): Uint8Array {
  const parsed = parseCatalogValue(history.catalog)
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  let snapshot: Uint8Array | undefined
  drive(parsed.catalog, history.batches, history.arrivalMs, ({ core }, taken) => {
    if (taken === Math.ceil(history.batches.length / 2)) midway(core)
    if (taken === history.batches.length) snapshot = core.snapshot()
  })
  return snapshot!
}

test('a run in parts, with a restart between any two, seals the lines of a run at once and leaves the same to bill', () => {
  let parts = 0
  fc.assert(
    fc.property(histories, fc.integer({ min: 1, max: 3 }), (history, most) => {
      const state = after(history)
      const order = { billingRunId: 'run', cutoffNs: history.endNs }
      const whole = seal(coreOf(state), order)
      const pieces = seal(coreOf(state, most), order, core => coreOf(core.snapshot(), most))
      expect(pieces.texts).toEqual(whole.texts)
      parts = Math.max(parts, pieces.parts)
      const next = { billingRunId: 'next', cutoffNs: history.endNs }
      expect(seal(pieces.core, next).texts).toEqual([])
      const again = pieces.core.process({ ...nothing, nowMs: 0, commit: 2, orders: [order] })
      expect([again.outputs, again.changed]).toEqual([[], false])
    }),
    { numRuns },
  )
  expect(parts).toBeGreaterThan(1)
})

test('a preview shows, byte for byte, the lines that the run then seals, in parts or not', () => {
  fc.assert(
    fc.property(histories, fc.constantFrom(1, Number.POSITIVE_INFINITY), (history, most) => {
      const state = after(history, core => bill(core, { billingRunId: 'before', cutoffNs: history.middleNs }))
      const order = { billingRunId: 'run', cutoffNs: history.endNs }
      const shown = seal(coreOf(state, most), { ...order, preview: true })
      expect(shown.texts).toEqual(seal(coreOf(state), order).texts)
      // The same core, which has shown a preview, bills the same under another name.
      const billed = seal(shown.core, { ...order, billingRunId: 'other' })
      expect(billed.texts.map(bare)).toEqual(shown.texts.map(bare))
    }),
    { numRuns },
  )
})

test('what is held back is told, stays as it was, and is billed once it is released, as if it had never been held', () => {
  let held = 0
  let corrections = 0
  fc.assert(
    fc.property(histories, fc.boolean(), fc.nat(), (history, ofSubscription, which) => {
      const state = after(history, core => bill(core, { billingRunId: 'before', cutoffNs: history.middleNs }))
      const order = { billingRunId: 'run', cutoffNs: history.endNs }
      const all = seal(coreOf(state), order).texts
      if (all.length === 0) return
      const { customer_id, subscription_id } = lineOf(all[which % all.length]!)
      const hold: HeldFromRuns = { customer_id, subscription_id: ofSubscription ? subscription_id : null }
      const isHeld = (text: string) =>
        lineOf(text).customer_id === customer_id &&
        (!ofSubscription || lineOf(text).subscription_id === subscription_id)
      const without = seal(coreOf(state, 1), { ...order, held: [hold] }, core => coreOf(core.snapshot(), 1))
      expect(without.texts).toEqual(all.filter(text => !isHeld(text)))
      const left = all.filter(isHeld)
      held += left.length
      corrections += left.filter(text => lineOf(text).corrects !== undefined).length
      expect(without.heldBack.reduce((sum, one) => sum + one.line_count, 0)).toBe(left.length)
      const amount = (text: string) => {
        const parsed = parseDecimal(text)
        return parsed.kind === 'ok' ? parsed.value : 0n
      }
      const total = (amounts: readonly string[]) =>
        formatScaled(amounts.reduce((sum, one) => sum + amount(one), 0n))
      expect(total(without.heldBack.map(one => one.amount_rounded))).toBe(
        total(left.map(text => lineOf(text).amount_rounded)),
      )
      const own = { billingRunId: 'own', cutoffNs: history.endNs, customerId: customer_id }
      expect(seal(without.core, { ...own, billingRunId: 'else', customerId: 'nobody' }).texts).toEqual([])
      expect(seal(without.core, own).texts.map(bare)).toEqual(left.map(bare))
      expect(seal(without.core, { ...order, billingRunId: 'last' }).texts).toEqual([])
    }),
    { numRuns },
  )
  expect(held).toBeGreaterThan(0)
  if (numRuns >= 40) expect(corrections).toBeGreaterThan(0)
})
