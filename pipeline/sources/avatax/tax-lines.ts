// The lines of a transaction, one for each jurisdiction that taxes it, or exempts it.
// Invariant: the taxes of a line's jurisdictions add up to the tax of the line; what does not is told, and nothing is guessed.

import { parseDecimal } from '../../../schemas/money/decimal.js'
import { type ForeignObject, listIn, numberText, textOf } from '../map/object-fields.js'
import type { MapContext } from '../source-kind.js'

type Line = Readonly<Record<string, string>>

export function taxLinesOf(body: ForeignObject, context: MapContext): readonly Line[] {
  if (!Array.isArray(body['lines'])) {
    context.fault(
      'missing_value',
      'lines: the transaction has none; send it with $include=Details.',
      '/lines',
    )
    return []
  }
  return listIn(body['lines']).flatMap((line, at) => linesOf(line, `/lines/${at}`, context))
}

function linesOf(line: ForeignObject, pointer: string, context: MapContext): readonly Line[] {
  const details = listIn(line['details'])
  const [amount, tax] = [numberText(line['lineAmount']), numberText(line['tax'])]
  if (amount === '') context.fault('missing_value', 'lineAmount: it is no number.', `${pointer}/lineAmount`)
  if (tax === '') context.fault('missing_value', 'tax: it is no number.', `${pointer}/tax`)
  const parts = details.map(one => numberText(one['tax']))
  if (sumOf(parts) !== sumOf([tax]))
    context.fault(
      'tax_does_not_add_up',
      'tax: the details of the line come to another tax.',
      `${pointer}/details`,
    )
  const charge = chargeOf(line, context)
  return details.map(one => ({
    line: textOf(line['lineNumber']) || pointer,
    ...(charge === '' ? {} : { charge_id: charge }),
    amount,
    tax_code: textOf(line['taxCode']) || 'none',
    jurisdiction: jurisdictionOf(one),
    ...present('jurisdiction_type', textOf(one['jurisType']) || textOf(one['jurisdictionType'])),
    ...present('tax_name', textOf(one['taxName'])),
    ...present('rate', numberText(one['rate'])),
    ...present('taxable', numberText(one['taxableAmount'])),
    ...present('exempt', numberText(one['exemptAmount'])),
    tax: numberText(one['tax']),
  }))
}

/** `US-CA`, and with the name of what lies within it: `US-CA/ALAMEDA`. */
function jurisdictionOf(detail: ForeignObject): string {
  const [country, region, name] = [
    textOf(detail['country']),
    textOf(detail['region']),
    textOf(detail['jurisName']),
  ]
  const place = [country, region === country ? '' : region].filter(Boolean).join('-')
  const isWhole = /^(?:STA|CNT|State|Country)$/i.test(
    textOf(detail['jurisType']) || textOf(detail['jurisdictionType']),
  )
  return [place, isWhole ? '' : name].filter(Boolean).join('/').slice(0, 200) || 'none'
}

function chargeOf(line: ForeignObject, { settings }: MapContext): string {
  switch (settings['charge_from']) {
    case 'ref1':
    case 'ref2':
      return textOf(line[settings['charge_from']])
    case 'item_code':
      return textOf(line['itemCode'])
    case 'line_number':
      return textOf(line['lineNumber'])
    default:
      return ''
  }
}

function present(name: string, value: string): Line {
  return value === '' ? {} : { [name]: value }
}

/** Undefined: one of them is no amount. */
function sumOf(amounts: readonly string[]): bigint | undefined {
  let sum = 0n
  for (const amount of amounts) {
    const parsed = parseDecimal(amount)
    if (parsed.kind !== 'ok') return undefined
    sum += parsed.value
  }
  return sum
}
