// What a meter derives from an event: the value of its expression, converted and rounded; or the texts of several fields.
// Invariants: a field that is missing or no number refuses the event as that of a plain value does; the slot of the
// meter's value then holds the text of what was derived, so that rows and history have it.

import { eventValue } from '../../../rating/aggregations/convert.js'
import { evaluate } from '../../../rating/expressions/evaluate.js'
import { ofScaled, type Ratio } from '../../../rating/steps/ratio.js'
import type { Expression } from '../../../schemas/catalog/expression.js'
import { scalarText, tooManyDigits } from '../../../schemas/json/scalar-text.js'
import {
  formatScaled,
  magnitude,
  parseDecimal,
  type Scaled,
  scaledMax,
  scaledOne,
} from '../../../schemas/money/decimal.js'
import { numberOf } from '../../../schemas/money/exact-number.js'
import { pointerTo, type Rejection } from '../../../schemas/rejection.js'
import type { DerivedSlots, MeterSlots, PathSlot } from '../scan/meter-slots.js'
import { type ScannedEvents, textOf, valueKinds } from '../scan/scanned-events.js'
import type { UsageScanner } from '../scan/scanner.js'

/** The quantity of the reading, or why the event is refused. */
export function readDerived(
  scan: ScannedEvents,
  scanner: UsageScanner,
  event: number,
  meter: MeterSlots,
  derived: DerivedSlots,
): Scaled | Rejection {
  const { inputs, expression, operation } = derived
  const place = event * scan.slots + inputs[0]!.slot
  if (expression === undefined) {
    const text = textsOf(scan, event, meter, inputs)
    if (typeof text === 'object') return text
    const done = operation === undefined ? scaledOne : doneIn(scan, event, meter, operation)
    if (typeof done === 'object') return done
    scanner.putValue(place, text)
    scan.valueKind[place] = valueKinds.text
    return done
  }
  const quantity = quantityOf(scan, event, meter, inputs, expression)
  if (typeof quantity === 'bigint') scanner.putValue(place, formatScaled(quantity))
  return quantity
}

function quantityOf(
  scan: ScannedEvents,
  event: number,
  meter: MeterSlots,
  inputs: readonly PathSlot[],
  expression: Expression,
): Scaled | Rejection {
  const values: Ratio[] = []
  for (const input of inputs) {
    const place = event * scan.slots + input.slot
    const kind = scan.valueKind[place]
    if (kind === valueKinds.missing) return refusal('invalid_value', meter, input, 'is missing')
    if (kind !== valueKinds.number && kind !== valueKinds.text)
      return refusal('invalid_value', meter, input, 'is not a number')
    const written = textOf(scan.bytes, scan.valueFrom[place]!, scan.valueUntil[place]!)
    const parsed = parseDecimal(kind === valueKinds.text ? written : numberOf(written))
    if (parsed.kind === 'invalid_value') return refusal(parsed.kind, meter, input, 'is not a number')
    if (parsed.kind === 'value_out_of_range') {
      return refusal(parsed.kind, meter, input, 'has more than 26 digits before or 12 after the point')
    }
    values.push(ofScaled(parsed.value))
  }
  const value = evaluate(expression, values)
  if (value === undefined) return derivedRefusal('invalid_value', meter, 'divides by zero')
  const quantity = eventValue(value, meter.meter)
  if (magnitude(quantity) > scaledMax) {
    return derivedRefusal('value_out_of_range', meter, 'comes to more than 26 digits before the point')
  }
  if (quantity < 0n && !meter.meter.allowNegative)
    return derivedRefusal('negative_value', meter, 'comes to less than 0')
  return quantity
}

/** Equal texts, equal values. */
function textsOf(
  scan: ScannedEvents,
  event: number,
  meter: MeterSlots,
  inputs: readonly PathSlot[],
): string | Rejection {
  const texts: string[] = []
  for (const input of inputs) {
    const place = event * scan.slots + input.slot
    const kind = scan.valueKind[place]
    if (kind === valueKinds.missing || kind === valueKinds.other)
      return refusal('invalid_value', meter, input, 'is not a text, number or boolean')
    const written = textOf(scan.bytes, scan.valueFrom[place]!, scan.valueUntil[place]!)
    const text = kind === valueKinds.number ? scalarText(numberOf(written)) : written
    if (text === undefined || text === tooManyDigits) {
      return refusal('value_out_of_range', meter, input, 'has more than 38 digits, or 12 after the point')
    }
    texts.push(text)
  }
  return meter.meter.values === undefined ? texts[0]! : JSON.stringify(texts)
}

/** One for a value that is added, minus one for one that is removed. */
function doneIn(
  scan: ScannedEvents,
  event: number,
  meter: MeterSlots,
  operation: PathSlot,
): Scaled | Rejection {
  const place = event * scan.slots + operation.slot
  if (scan.valueKind[place] === valueKinds.text) {
    const text = textOf(scan.bytes, scan.valueFrom[place]!, scan.valueUntil[place]!)
    if (text === 'add') return scaledOne
    if (text === 'remove') return -scaledOne
  }
  return refusal('invalid_value', meter, operation, 'is not add or remove')
}

type Code = 'invalid_value' | 'value_out_of_range' | 'negative_value'

export function refusal(code: Code, { meter }: MeterSlots, { path }: PathSlot, problem: string): Rejection {
  return {
    code,
    detail: `The value of meter ${meter.meter} at data.${path.join('.')} ${problem}.`,
    pointer: path.reduce<string>(pointerTo, '/data'),
  }
}

function derivedRefusal(code: Code, { meter }: MeterSlots, problem: string): Rejection {
  const { expression, value = [] } = meter
  if (expression === undefined)
    return {
      code,
      detail: `The value of meter ${meter.meter} ${problem}.`,
      pointer: value.reduce<string>(pointerTo, '/data'),
    }
  return { code, detail: `The expression of meter ${meter.meter} ${problem}.`, pointer: '/data' }
}
