// Compares a core with the oracle's answer to the same events so far: every field of every charge and
// movement, every disposition and dead letter, and that rows add up. Throws the differences.

import { expect } from 'vitest'
import { type Charge, chargeToWire } from '../../../schemas/billing/charge.js'
import { type MrrMovement, movementToWire } from '../../../schemas/billing/mrr-movement.js'
import { conservationGap } from '../../../schemas/event/dispositions.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import { endlessNs } from '../../../schemas/time.js'
import type { BadDay, Run } from '../random/bad-day.js'
import type { Driven } from '../random/drive.js'
import { billedTotals, dueNs, OracleBooks, type OracleLine } from './books.js'
import type { OracleCharge } from './charges.js'
import type { DeadLetter } from './intake.js'
import type { OracleMovement } from './movements.js'
import type { OracleAnswer } from './oracle.js'

/** `isBilled`: whether billed charges exist, which have rows even without usage. */
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
  for (const disposition of ['applied', 'duplicate', 'parked', 'unmetered'] as const)
    expect(seen.outcomes.get(disposition) ?? 0, disposition).toBe(counts[disposition])
  const owed = answer.charges(asOfNs)
  expectCharges(core.charges(asOfNs), owed)
  expectMovements(core.movements(endlessNs), answer.movements)
  expectEmitted(seen.movements, answer.movements)
  expectRows(seen.rows, owed, isBilled)
  if (!isBilled) for (const row of seen.fresh) expectRow(row, answer)
}

/** Checks that a row states what was in force at the time of its event. */
function expectRow(row: RatedUsageRow, answer: OracleAnswer): void {
  const rows = answer.rows(row.eventSource, row.eventId, row.customerId)
  const expected = rows.find(one => one.price === row.price && one.meter === row.meter)
  expect(row).toMatchObject(expected ?? { no: 'row' })
}

export function expectCharges(charges: readonly Charge[], owed: readonly OracleCharge[]): void {
  const streamed = charges.map(charge => chargeToWire(charge)).sort(byPlace)
  const expected = owed.map(one => one.wire).sort(byPlace)
  // The comparison that explains a difference is slow, so it runs only when there is one.
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

/** Checks that all movements ever emitted add up to the net ones. */
function expectEmitted(emitted: ReadonlyMap<string, bigint>, movements: readonly OracleMovement[]): void {
  const net = movements.map(one => [
    JSON.stringify([one.subscription_id, one.currency, one.effective_at, one.kind]),
    one.amount,
  ])
  const sums = [...emitted].map(([key, amount]) => [key, formatScaled(amount)])
  expect(sums.sort()).toEqual(net.sort())
}

/**
 * Checks that Σ rows = charge, with the same count of events; rows of what is no longer a charge must add up
 * to nothing.
 */
function expectRows(
  rows: ReadonlyMap<string, { amount: bigint; count: number }>,
  owed: readonly OracleCharge[],
  isBilled: boolean,
): void {
  const left = new Map([...rows].filter(([chargeId]) => chargeId !== ''))
  for (const { wire, events, gross } of owed) {
    if (wire.kind !== 'usage') continue
    const { charge_id: chargeId } = wire
    const sum = left.get(chargeId) ?? { amount: 0n, count: 0 }
    left.delete(chargeId)
    expect([chargeId, sum.count]).toEqual([chargeId, events])
    // A charge without usage has no rows until it is billed.
    if (events > 0) expect([chargeId, formatScaled(sum.amount)]).toEqual([chargeId, gross])
    else if (!isBilled) expect([chargeId, sum.amount]).toEqual([chargeId, 0n])
  }
  if (isBilled) return
  for (const [chargeId, sum] of left) expect([chargeId, sum]).toEqual([chargeId, { amount: 0n, count: 0 }])
}

/** Every run sealed the lines that the oracle's books make of what was known then; a preview sealed none. */
export function expectRuns(
  runs: readonly Run[],
  owedAfter: (batches: number) => readonly OracleCharge[],
): void {
  const books = new OracleBooks()
  const ids = new Set<string>()
  for (const { order, batches, lines } of runs) {
    const { billingRunId: id, cutoffNs, entityId: entity, preview: isPreview = false } = order
    const owed = owedAfter(batches).map(one => one.wire)
    const expected = books.run({ id, cutoffNs, entity, isPreview }, owed)
    const said = lines.map(({ charge_id, ...line }) =>
      line.kind === 'adjustment' ? line : { charge_id, ...line },
    )
    expect(sorted(said)).toEqual(sorted(isPreview ? [] : expected))
    for (const { charge_id } of lines) expect(ids.has(charge_id)).toBe(false)
    for (const { charge_id } of lines) ids.add(charge_id)
  }
}

/** After a run of all entities with the last cutoff of all: what is billed is what is owed and due, and so are rows. */
export function expectBilled({ runs, seen }: BadDay, owed: readonly OracleCharge[]): void {
  const { cutoffNs } = runs.at(-1)!.order
  const isDue = owed.filter(one => dueNs(one.wire) <= cutoffNs)
  const due = isDue.map(one => one.wire)
  const billed = billedTotals(runs.flatMap(run => run.lines))
  expect([...billed].sort()).toEqual([...billedTotals(due)].sort())
  for (const { wire, gross } of isDue) {
    if (wire.kind !== 'usage') continue
    const rows = formatScaled(seen.rows.get(wire.charge_id)?.amount ?? 0n)
    expect([wire.charge_id, rows]).toEqual([wire.charge_id, gross])
  }
}

function sorted(lines: readonly OracleLine[]): unknown[] {
  return lines
    .map(line => [JSON.stringify(line), line] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, line]) => line)
}

function byPlace(a: { charge_id: string }, b: { charge_id: string }): number {
  return a.charge_id < b.charge_id ? -1 : a.charge_id > b.charge_id ? 1 : 0
}
