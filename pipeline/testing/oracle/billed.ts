// What of the recurring prices is billed, for the oracle: instant by instant, the terms that are billed beside those in force. A price that is not
// prorated goes on to the end of its service period, whatever changes within it, and owes a period that it begins or ends within whole.

import type { Exact } from '../../../rating/testing/exact.js'
import { periodAt } from './calendar.js'
import { keptShare, wholePeriod } from './charges.js'
import { type Line, never } from './prices.js'

type Direction = 0 | 1

/** The lines of one subscription, those of recurring prices as they are billed. */
export function billedOf(lines: readonly Line[]): Line[] {
  const ids = [...new Set(lines.map(line => line.price.price))]
  return ids.flatMap(id => {
    const recurring = lines.filter(line => line.price.price === id && line.price.kind === 'recurring')
    const usage = lines.filter(line => line.price.price === id && line.price.kind === 'usage')
    return [...usage, ...billedOfPrice(recurring)]
  })
}

function billedOfPrice(lines: readonly Line[]): Line[] {
  const paid = lines.filter(line => !line.trial)
  const billed: Line[] = []
  let open: Line | undefined
  const close = (untilNs: bigint, endsWhole = false) => {
    if (open !== undefined) billed.push({ ...open, untilNs, endsWhole })
    open = undefined
  }
  const begin = (line: Line | undefined, fromNs: bigint, startsWhole: boolean) => {
    open = line && { ...line, fromNs, startsWhole }
  }
  const isNone = (line: Line, direction: Direction) => ruleOf(line, direction) === 'none'
  for (const atNs of instantsOf(paid)) {
    const now = paid.find(line => line.fromNs <= atNs && atNs < line.untilNs)
    if (open === undefined) {
      begin(now, atNs, now !== undefined && isNone(now, 0))
      continue
    }
    if (now?.key === open.key) continue
    const isOther = now !== undefined && calendarOf(now) !== calendarOf(open)
    const isBoundary = periodOf(open, atNs).fromNs === atNs
    if (isBoundary || isOther) {
      close(atNs, isOther && isNone(open, 1))
      begin(now, atNs, now !== undefined && isNone(now, 0))
      continue
    }
    if (isNone(open, now !== undefined && !costOf(now).lt(costOf(open)) ? 0 : 1)) continue
    close(atNs)
    begin(now, atNs, false)
  }
  close(never)
  const trials = lines.filter(line => line.trial).flatMap(line => without(line, billed))
  return [...billed, ...trials]
}

/** Every start and end, and the end of each service period that holds one. */
function instantsOf(lines: readonly Line[]): bigint[] {
  const changes = [...new Set(lines.flatMap(line => [line.fromNs, line.untilNs]))].filter(at => at !== never)
  const borders = lines.flatMap(line => changes.map(atNs => periodOf(line, atNs).untilNs))
  return [...new Set([...changes, ...borders])].sort((a, b) => (a < b ? -1 : 1))
}

function periodOf({ terms, period }: Line, atNs: bigint) {
  return periodAt(terms.anchorNs, terms.timezone, period, atNs)
}

function calendarOf({ terms, period, plan }: Line): string {
  return [terms.anchorNs, terms.timezone, period, plan.currency].join(' ')
}

export function ruleOf({ proration }: Line, direction: Direction): string {
  const words = proration.split('/')
  return words[direction] ?? words[0]!
}

function costOf({ price, quantity }: Line): Exact {
  if (price.kind !== 'recurring') throw new Error(`${price.price} is not recurring.`)
  return wholePeriod(price, quantity).times(keptShare(price))
}

/** A trial is told from where nothing else is billed on. */
function without(trial: Line, billed: readonly Line[]): Line[] {
  const over = billed.filter(one => one.fromNs <= trial.fromNs && one.untilNs > trial.fromNs)
  const fromNs = over.map(one => one.untilNs).sort((a, b) => (a < b ? 1 : -1))[0] ?? trial.fromNs
  return fromNs < trial.untilNs ? [{ ...trial, fromNs }] : []
}
