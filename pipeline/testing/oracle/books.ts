// The oracle's billing. Contract section 4, "Due": a charge is due when its service period has ended, or, in
// advance, when it begins. A run bills what is due at or before its cutoff. What was billed before and is
// still due, by this or an earlier cutoff, is billed as it is owed now: each difference makes two lines, a
// credit of what was billed and a rebill of what is owed.

import type { ChargeWire } from '../../../schemas/billing/charge.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { formatScaled, parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { parseBoundary } from '../../../schemas/time.js'

export interface OracleRun {
  readonly id: string
  readonly cutoffNs: bigint
  readonly entity: string | undefined
  readonly isPreview: boolean
}

/** A line of a run; an adjustment without its own id. */
export type OracleLine = Omit<ChargeWire, 'charge_id'> & { readonly charge_id?: string }

export class OracleBooks {
  readonly #runs: OracleRun[] = []
  /** By charge; undefined: it was billed once, and nothing is any more. */
  #billed = new Map<string, ChargeWire | undefined>()

  /** `owed`: every charge that begins by the end of time, under what is known now. */
  run(run: OracleRun, owed: readonly ChargeWire[]): OracleLine[] {
    const runs = [...this.#runs, run]
    const lines: OracleLine[] = []
    const after = new Map(this.#billed)
    const now = new Map(owed.map(wire => [wire.charge_id, wire]))
    for (const id of new Set([...now.keys(), ...after.keys()])) {
      const was = this.#billed.get(id)
      const wire = now.get(id)
      const cutoffs = was === undefined ? [run] : runs.filter(one => isRunOf(one, wire?.entity_id ?? ''))
      const due =
        wire !== undefined && [run, ...cutoffs].some(one => dueNs(wire) <= one.cutoffNs) ? wire : undefined
      if (was !== undefined && due !== undefined && isSame(was, due)) continue
      if (was !== undefined && !isRunOf(run, was.entity_id)) continue
      if (was !== undefined) {
        lines.push(adjustment(run, id, negated(was)))
        after.set(id, undefined)
      }
      if (due === undefined || !isRunOf(run, due.entity_id)) continue
      const line: ChargeWire = { ...due, status: 'closed', billing_run_id: run.id }
      lines.push(this.#billed.has(id) ? adjustment(run, id, due) : line)
      after.set(id, due)
    }
    if (run.isPreview) return lines
    this.#billed = after
    this.#runs.push(run)
    return lines
  }
}

/** The sum of lines by charge and currency, without sums of nothing. */
export function billedTotals(lines: readonly ChargeWire[]): Map<string, readonly string[]> {
  const sums = new Map<string, Scaled[]>()
  for (const line of lines) {
    const key = compositeKey(line.corrects ?? line.charge_id, line.currency)
    const sum = sums.get(key) ?? [0n, 0n, 0n]
    sums.set(
      key,
      sum.map((part, n) => part + figuresOf(line)[n]!),
    )
  }
  const isSomething = ([, sum]: [string, Scaled[]]) => sum.some(part => part !== 0n)
  return new Map([...sums].filter(isSomething).map(([key, sum]) => [key, sum.map(formatScaled)]))
}

export function dueNs({ timing, service_period }: ChargeWire): bigint {
  return parseBoundary(timing === 'in_advance' ? service_period.from : service_period.until)!
}

function isRunOf({ entity }: OracleRun, entityId: string): boolean {
  return entity === undefined || entity === entityId
}

/** Whether both charges would be booked in the same way. */
function isSame(was: ChargeWire, due: ChargeWire): boolean {
  const off = (one: ChargeWire) => JSON.stringify(one.discounts ?? [])
  const owed = (one: ChargeWire) => [...figuresOf(one), one.currency, one.entity_id, off(one)]
  const booked = (one: ChargeWire) => [one.timing, one.plan, one.meter, one.contract_id]
  const earned = (one: ChargeWire) => [one.service_period.until, one.timezone]
  const isEqual = (say: (one: ChargeWire) => readonly unknown[]) =>
    say(was).join('\n') === say(due).join('\n')
  if (!isEqual(owed)) return false
  if (due.amount_rounded === '0') return true
  return isEqual(booked) && (due.timing === 'in_arrears' || isEqual(earned))
}

function adjustment(run: OracleRun, corrects: string, wire: ChargeWire): OracleLine {
  const { charge_id: _, ...said } = wire
  return { ...said, kind: 'adjustment', status: 'closed', corrects, billing_run_id: run.id }
}

function negated(wire: ChargeWire): ChargeWire {
  const [quantity, amount, rounded] = figuresOf(wire).map(figure => formatScaled(-figure))
  const off = wire.discounts?.map(({ code, amount }) => ({ code, amount: `-${amount}` }))
  return {
    ...{ ...wire, quantity: quantity!, amount: amount!, amount_rounded: rounded! },
    ...(off === undefined ? {} : { discounts: off }),
  }
}

function figuresOf({ quantity, amount, amount_rounded }: ChargeWire): Scaled[] {
  return [quantity, amount, amount_rounded].map(text => {
    const parsed = parseDecimal(text)
    if (parsed.kind !== 'ok') throw new Error(`${text} is no decimal.`)
    return parsed.value
  })
}
