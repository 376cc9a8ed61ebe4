// What a meter reads of an event: the field `value`, or several for distinct combinations, or an `expression`; and how that is
// converted. How these fields are read, written and described.
// Invariant: what is written is read back equal.

import { z } from 'zod'
import { nameField } from '../json/wire-fields.js'
import { type Aggregation, aggregationFacts } from './aggregations.js'
import { type FieldReader, readText } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { mostCharacters, parseExpression } from './expression.js'
import { type Convert, convertField, convertToWire, readConvert } from './meter-convert.js'
import type { Wire } from './models/model-shape.js'

/** A meter of `count` has none of these; of the first three others have one. */
export interface MeterValue {
  /** Path into `data`, split at dots. */
  readonly value?: readonly string[]
  /** Of `unique_count`: two paths or more. */
  readonly values?: readonly (readonly string[])[]
  /** As written; expression.ts parses it. */
  readonly expression?: string
  readonly convert?: Convert
  /** Of `unique_count`, which it makes persistent: path into `data`, whose text is `add` or `remove`. */
  readonly operation?: readonly string[]
}

const mostValues = 8

export function readMeterValue(
  reader: FieldReader,
  aggregation: Aggregation | undefined,
  problems: Problems,
): MeterValue {
  const reads = aggregation === undefined ? undefined : aggregationFacts[aggregation].reads
  if (reads === 'nothing') return refuseAll(reader, aggregation)
  const expression = readExpression(reader)
  if (expression !== undefined && reads === 'text') {
    reader.fault('expression', 'unknown_key', `The aggregation ${aggregation} takes no expression.`)
  }
  if (reads === 'text' && reader.has('convert')) {
    reader.fault('convert', 'unknown_key', `The aggregation ${aggregation} takes no convert.`)
  }
  const convert = readConvert(reader, problems)
  const converted = convert === undefined ? {} : { convert }
  if (reader.has('expression')) {
    if (reader.has('value')) reader.fault('value', 'unknown_key', 'A meter has a value or an expression.')
    return { ...(expression === undefined ? {} : { expression }), ...converted }
  }
  const node = aggregation === undefined ? reader.field('value') : reader.requiredField('value')
  if (node?.kind === 'list') return { ...readValues(reader, node.items, aggregation, problems), ...converted }
  const value = node === undefined ? undefined : readPath(node, problems)
  return { ...(value === undefined ? {} : { value }), ...converted }
}

function refuseAll(reader: FieldReader, aggregation: Aggregation | undefined): MeterValue {
  for (const name of ['value', 'expression', 'convert']) {
    if (reader.has(name))
      reader.fault(name, 'unknown_key', `The aggregation ${aggregation} takes no ${name}.`)
  }
  return {}
}

function readValues(
  reader: FieldReader,
  items: readonly SourceNode[],
  aggregation: Aggregation | undefined,
  problems: Problems,
): MeterValue {
  if (aggregation !== undefined && aggregationFacts[aggregation].reads !== 'text') {
    reader.fault(
      'value',
      'wrong_type',
      `The aggregation ${aggregation} reads one field; a sum of several is an expression.`,
    )
    return {}
  }
  if (items.length < 2 || items.length > mostValues) {
    reader.fault('value', 'invalid_value', `A list of fields has 2 to ${mostValues} of them.`)
    return {}
  }
  const values: string[][] = []
  for (const item of items) {
    const path = readPath(item, problems)
    if (path === undefined) continue
    if (values.some(one => one.join('\u0000') === path.join('\u0000')))
      problems.add(item, 'invalid_value', `The field ${path.join('.')} is given twice.`)
    values.push(path)
  }
  return { values }
}

export function readPath(node: SourceNode, problems: Problems, field = 'value'): string[] | undefined {
  const text = readText(node, field, problems)
  // OpenMeter writes JSONPath; its plain form means the same.
  const path = text?.replace(/^\$\./, '').split('.')
  if (path?.some(step => step === '')) {
    return problems.add(
      node,
      'invalid_value',
      `The field ${field} is a path into data, such as usage.tokens.`,
    )
  }
  return path
}

function readExpression(reader: FieldReader): string | undefined {
  const node = reader.field('expression')
  if (node === undefined) return undefined
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    return reader.fault('expression', 'wrong_type', 'The field expression is a text, such as "cpu * hours".')
  }
  const parsed = parseExpression(node.value)
  if (parsed.kind === 'ok') return node.value
  const message = `At character ${parsed.at} of the expression is expected ${parsed.expected}.`
  return reader.fault('expression', 'invalid_expression', message)
}

export function meterValueToWire({ value, values, expression, convert }: MeterValue): Wire {
  return {
    ...(value === undefined ? {} : { value: value.join('.') }),
    ...(values === undefined ? {} : { value: values.map(path => path.join('.')) }),
    ...(expression === undefined ? {} : { expression }),
    ...(convert === undefined ? {} : { convert: convertToWire(convert) }),
  }
}

export const pathField = nameField.meta({ description: 'Path into data, its steps separated by dots.' })

/** The fields of meters that read a text: alternatives. */
export const textValueFields: readonly z.ZodRawShape[] = [
  { value: z.union([pathField, z.array(pathField).min(2).max(mostValues)]) },
]

export const quantityValueFields: readonly z.ZodRawShape[] = [
  { value: pathField, convert: convertField.optional() },
  {
    expression: z.string().min(1).max(mostCharacters).meta({
      description: 'Arithmetic over data: + - * / ( ), numbers, fields, min, max, abs, ceil, floor, round.',
    }),
    convert: convertField.optional(),
  },
]
