// Holds a core that was driven so far against the oracle's answer to the same events: every field of every charge and
// movement, every disposition and dead letter, and rows that add up. Throws what differs.

import { expect } from 'vitest'
import { type Charge, chargeToWire } from '../../../schemas/charge.js'
import { formatScaled } from '../../../schemas/decimal.js'
import { conservationGap } from '../../../schemas/dispositions.js'
import { type MrrMovement, movementToWire } from '../../../schemas/mrr-movement.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import { endlessNs } from '../../../schemas/time.js'
import type { BadDay } from '../random/bad-day.js'
import type { Driven } from '../random/drive.js'
import type { OracleCharge } from './charges.js'
import type { DeadLetter } from './intake.js'
import type { OracleMovement } from './movements.js'
import type { OracleAnswer } from './oracle.js'

/** `isBilled`: charges that were billed have rows also without usage. */
export function expectAgreement(
  { core, seen }: Driven,
  answer: OracleAnswer,
  asOfNs: bigint,
  { isBilled } = { isBilled: false },
): void {
  const counts = core.counters()
  expect(counts).toEqual(answer.counts)
  expect(conservationGap(counts)).toBe(0)
  expectDeadLetters(seen.deadLetters, answer.deadLetters)
  const owed = answer.charges(asOfNs)
  expectCharges(core.charges(asOfNs), owed)
  expectMovements(core.movements(endlessNs), answer.movements)
  expectEmitted(seen.movements, answer.movements)
  expectRows(seen.rows, owed, isBilled)
  if (!isBilled) for (const row of seen.fresh) expectRow(row, answer)
}

/** A row says what was in force at the time of its event. */
function expectRow(row: RatedUsageRow, answer: OracleAnswer): void {
  const rows = answer.rows(row.eventSource, row.eventId)
  const expected = rows.find(one => one.price === row.price && one.meter === row.meter)
  expect(row).toMatchObject(expected ?? { no: 'row' })
}

export function expectCharges(charges: readonly Charge[], owed: readonly OracleCharge[]): void {
  const streamed = charges.map(charge => chargeToWire(charge)).sort(byPlace)
  const expected = owed.map(one => one.wire).sort(byPlace)
  // The comparison that explains itself is slow, and is made where there is something to explain.
  if (JSON.stringify(streamed) !== JSON.stringify(expected)) expect(streamed).toEqual(expected)
}

export function expectMovements(
  movements: readonly MrrMovement[],
  expected: readonly OracleMovement[],
): void {
  const streamed = movements.map(movement => {
    const { movement_id: _, ...said } = movementToWire(movement)
    return said
  })
  expect(streamed).toEqual(expected)
}

function expectDeadLetters(streamed: ReadonlyMap<string, number>, expected: readonly DeadLetter[]): void {
  const texts = expected.map(({ source, id, code }) => JSON.stringify([source, id, code]))
  const repeated = [...streamed].flatMap(([key, times]) => Array<string>(times).fill(key))
  expect(repeated.sort()).toEqual(texts.sort())
}

/** All movements ever emitted come to the net ones. */
function expectEmitted(emitted: ReadonlyMap<string, bigint>, movements: readonly OracleMovement[]): void {
  const net = movements.map(one => [
    JSON.stringify([one.subscription_id, one.currency, one.effective_at, one.kind]),
    one.amount,
  ])
  const sums = [...emitted].map(([key, amount]) => [key, formatScaled(amount)])
  expect(sums.sort()).toEqual(net.sort())
}

/** Σ rows = charge, and as many events as it counts; what is no charge any more came to nothing. */
function expectRows(
  rows: ReadonlyMap<string, { amount: bigint; count: number }>,
  owed: readonly OracleCharge[],
  isBilled: boolean,
): void {
  const left = new Map([...rows].filter(([chargeId]) => chargeId !== ''))
  for (const { wire, events } of owed) {
    if (wire.kind !== 'usage') continue
    const { charge_id: chargeId } = wire
    const sum = left.get(chargeId) ?? { amount: 0n, count: 0 }
    left.delete(chargeId)
    expect([chargeId, sum.count]).toEqual([chargeId, events])
    // Without usage a charge has no rows, until it is billed.
    if (events > 0) expect([chargeId, formatScaled(sum.amount)]).toEqual([chargeId, wire.amount])
    else if (!isBilled) expect([chargeId, sum.amount]).toEqual([chargeId, 0n])
  }
  if (isBilled) return
  for (const [chargeId, sum] of left) expect([chargeId, sum]).toEqual([chargeId, { amount: 0n, count: 0 }])
}

/** After the last run: what all runs billed for a charge adds up to it, and so do its rows. */
export function expectBilled({ sealed, seen }: BadDay, owed: readonly OracleCharge[]): void {
  const billed = new Map<string, { quantity: bigint; amount: bigint; rounded: bigint }>()
  for (const { chargeId, corrects, quantity, amount, amountRounded } of sealed) {
    const key = corrects === '' ? chargeId : corrects
    const sum = billed.get(key) ?? { quantity: 0n, amount: 0n, rounded: 0n }
    const rounded = sum.rounded + amountRounded
    billed.set(key, { quantity: sum.quantity + quantity, amount: sum.amount + amount, rounded })
  }
  for (const { wire } of owed) {
    const sum = billed.get(wire.charge_id) ?? { quantity: 0n, amount: 0n, rounded: 0n }
    billed.delete(wire.charge_id)
    // One that was billed and then lengthened is adjusted when it is due again.
    if (wire.status === 'open') continue
    const texts = [sum.quantity, sum.amount, sum.rounded].map(formatScaled)
    expect([wire.charge_id, ...texts]).toEqual([
      wire.charge_id,
      wire.quantity,
      wire.amount,
      wire.amount_rounded,
    ])
    if (wire.kind !== 'usage') continue
    const rows = formatScaled(seen.rows.get(wire.charge_id)?.amount ?? 0n)
    expect([wire.charge_id, rows]).toEqual([wire.charge_id, wire.amount])
  }
  for (const sum of billed.values()) expect(sum).toEqual({ quantity: 0n, amount: 0n, rounded: 0n })
}

function byPlace(a: { charge_id: string }, b: { charge_id: string }): number {
  return a.charge_id < b.charge_id ? -1 : a.charge_id > b.charge_id ? 1 : 0
}
