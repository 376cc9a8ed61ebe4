// An explanation for people: one line per step, its formula with the values put in. Money shows its currency, a part
// of a period its unit; a number that does not end is cut off with `…` (the data have it exactly).

import type { Charge } from '../../schemas/billing/charge.js'
import { formatInstant } from '../../schemas/time.js'
import { dueAt } from '../charges/close.js'
import { shortText } from '../steps/ratio.js'
import type { Step, StepValue } from '../steps/step.js'
import type { Explanation } from './explanation.js'

const indent = '  '
/** A longer sum is of the lines above it, which need not be said again. */
const longestSum = 6
const signs: Readonly<Record<string, string>> = { '*': '×', '/': '÷' }

export function explanationToText(explanation: Explanation): string[] {
  const { currency, steps } = explanation
  const width = Math.max(...steps.map(step => step.label.length))
  return steps.map(step => {
    const expression = expressionOf(step, currency)
    const result = `= ${shown(step.result, currency)}`
    const right = expression === '' ? result : `${expression} ${result}`
    return `${indent}${step.label.padEnd(width)}  ${right}`
  })
}

/** When a billing run may take the charge, and why then. */
export function dueToText(charge: Pick<Charge, 'timing' | 'fromNs' | 'untilNs'>): string {
  const moment = charge.timing === 'in_advance' ? 'begins' : 'ends'
  return `due ${formatInstant(dueAt(charge))}, when its service period ${moment}`
}

/** Empty when the formula says no more than the result. */
function expressionOf({ what, formula, values }: Step, currency: string): string {
  if (what === 'amount' || what === 'amount_rounded' || !/[ (]/.test(formula)) return ''
  const terms = formula.split(' + ').length
  if (what !== 'tier' && terms > longestSum) return `the ${terms} lines above`
  return formula.replace(/[a-z_][a-z0-9_]*|[*/]/g, token => {
    const value = values[token]
    if (value === undefined) return signs[token] ?? token
    const text = shown(value, currency)
    return text.startsWith('-') ? `(${text})` : text
  })
}

function shown(value: StepValue, currency: string): string {
  switch (value.kind) {
    case 'money':
      return `${shortText(value.exact)} ${currency}`
    case 'quantity':
      return shortText(value.exact)
    case 'part':
      return `${value.part}/${value.whole} ${value.unit}`
    case 'text':
      return value.text
    default:
      return value satisfies never
  }
}
