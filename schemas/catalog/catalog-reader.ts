// Reads the fields of one mapping of a catalog: each by name, with its type and bounds, faults collected.
// Invariant: a field that nobody asked for is a fault (`unknown_key`), so that a typing error never passes for a default.

import { isUnicodeText } from '../json/json-text.js'
import { scalarText, tooManyDigits } from '../json/scalar-text.js'
import { parseDecimal, type Scaled, scaledOne } from '../money/decimal.js'
import { decimalParts } from '../money/decimal-text.js'
import { ExactNumber } from '../money/exact-number.js'
import { nearestHint, shownName } from '../nearest-name.js'
import type { MapNode, Place, Problems, ScalarNode, SourceNode } from './catalog-source.js'

export interface DecimalBounds {
  /** 'positive' refuses 0, 'from_zero' refuses less than 0, 'any' refuses neither. */
  readonly sign: 'positive' | 'from_zero' | 'any'
  readonly max?: Scaled
}

const maxNameLength = 256

export class FieldReader {
  readonly node: MapNode
  readonly #problems: Problems
  readonly #asked = new Set<string>()

  constructor(node: MapNode, problems: Problems) {
    this.node = node
    this.#problems = problems
  }

  /** The node of a field; undefined when it is left out or null. */
  field(name: string): SourceNode | undefined {
    this.#asked.add(name)
    const value = this.node.members.get(name)?.value
    return value?.kind === 'scalar' && value.value === null ? undefined : value
  }

  has(name: string): boolean {
    return this.field(name) !== undefined
  }

  /** Whether the key is there at all, be it null. */
  hasKey(name: string): boolean {
    this.#asked.add(name)
    return this.node.members.has(name)
  }

  place(name: string): Place {
    return this.node.members.get(name)?.value ?? this.node
  }

  fault(name: string, code: string, message: string): undefined {
    return this.#problems.add(this.place(name), code, message)
  }

  requiredField(name: string): SourceNode | undefined {
    const node = this.field(name)
    if (node === undefined) this.fault(name, 'missing_field', `The field ${name} is missing.`)
    return node
  }

  text(name: string, node = this.field(name)): string | undefined {
    return node === undefined ? undefined : readText(node, name, this.#problems)
  }

  requiredText(name: string): string | undefined {
    return this.text(name, this.requiredField(name))
  }

  decimal(name: string, bounds: DecimalBounds, node = this.field(name)): Scaled | undefined {
    return node === undefined ? undefined : readDecimal(node, name, bounds, this.#problems)
  }

  requiredDecimal(name: string, bounds: DecimalBounds): Scaled | undefined {
    return this.decimal(name, bounds, this.requiredField(name))
  }

  whole(name: string, min: number, max: number): number | undefined {
    const node = this.field(name)
    if (node === undefined) return undefined
    const isNumber = node.kind === 'scalar' && typeof node.value !== 'boolean'
    const result = parseDecimal(isNumber ? node.text : undefined)
    const isWhole = result.kind === 'ok' && result.value % scaledOne === 0n
    const value = isWhole ? Number(result.value / scaledOne) : Number.NaN
    if (value >= min && value <= max) return value
    return this.fault(name, 'invalid_value', `The field ${name} is a whole number from ${min} to ${max}.`)
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const node = this.field(name)
    if (node === undefined) return undefined
    const found = choices.find(choice => node.kind === 'scalar' && node.value === choice)
    if (found !== undefined) return found
    return this.fault(name, 'invalid_value', `The field ${name} is one of ${choices.join(', ')}.`)
  }

  requiredChoice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    return this.requiredField(name) === undefined ? undefined : this.choice(name, choices)
  }

  flag(name: string): boolean | undefined {
    const node = this.field(name)
    if (node === undefined) return undefined
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value
    return this.fault(name, 'wrong_type', `The field ${name} is true or false.`)
  }

  list(name: string, node = this.field(name)): readonly SourceNode[] | undefined {
    if (node === undefined) return undefined
    if (node.kind === 'list') return node.items
    return this.fault(name, 'wrong_type', `The field ${name} is a list.`)
  }

  /** Adds a fault for every key that was not asked for. */
  refuseOthers(what: string): void {
    for (const [name, member] of this.node.members) {
      if (this.#asked.has(name)) continue
      const known = [...this.#asked].join(', ')
      this.#problems.add(
        member.key,
        'unknown_key',
        `${shownName(name)} is not a field of ${what}${nearestHint(name, this.#asked)}; its fields: ${known}.`,
      )
    }
  }
}

export function asMap(node: SourceNode, what: string, problems: Problems): MapNode | undefined {
  return node.kind === 'map' ? node : problems.add(node, 'wrong_type', `${what} is a mapping of fields.`)
}

/** A name: a text of 1 to 256 characters. */
export function readText(node: SourceNode, name: string, problems: Problems): string | undefined {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    return problems.add(node, 'wrong_type', `The field ${name} is a text${hintToQuote(node)}.`)
  }
  const { value } = node
  if (
    value.length >= 1 &&
    value.length <= maxNameLength &&
    isUnicodeText(value) &&
    !value.includes('\u0000')
  ) {
    return value
  }
  return problems.add(
    node,
    'invalid_value',
    `The field ${name} is a text of 1 to ${maxNameLength} characters.`,
  )
}

function hintToQuote(node: SourceNode): string {
  return node.kind === 'scalar' && node.value !== null ? `; write "${node.text}" in quotes` : ''
}

/** A value of an event's field to compare with: the text of a string, number or boolean. */
export function readComparable(node: SourceNode, what: string, problems: Problems): string | undefined {
  const text = node.kind === 'scalar' && node.value !== null ? comparableText(node) : undefined
  if (text === undefined) {
    return problems.add(node, 'wrong_type', `${what} is a text, a number or a boolean.`)
  }
  if (text !== tooManyDigits) return text
  return problems.add(
    node,
    'value_out_of_range',
    `${what} has more than 38 digits, or more than 12 after the point.`,
  )
}

/** Not the text as written: an event's 1.0 is compared as 1. */
function comparableText({ value, text }: ScalarNode): ReturnType<typeof scalarText> {
  if (typeof value !== 'number') return scalarText(value)
  // YAML also writes 0x1F and 0o17, which are whole; .5 and 5.; and .inf, which is no number to compare with.
  if (/^0[xo]/.test(text)) return scalarText(new ExactNumber(String(BigInt(text))))
  const digits = text
    .replace(/^\+/, '')
    .replace(/^(-?)\./, '$10.')
    .replace(/\.(?!\d)/, '')
  return decimalParts(digits) === undefined ? undefined : scalarText(new ExactNumber(digits))
}

function readDecimal(
  node: SourceNode,
  name: string,
  bounds: DecimalBounds,
  problems: Problems,
): Scaled | undefined {
  const isNumber =
    node.kind === 'scalar' && (typeof node.value === 'string' || typeof node.value === 'number')
  const result = parseDecimal(isNumber ? node.text : undefined)
  if (result.kind === 'invalid_value') {
    return problems.add(node, 'invalid_value', `The field ${name} is a decimal number, such as "0.0025".`)
  }
  if (result.kind === 'value_out_of_range') {
    const message = `The field ${name} has more than 26 digits before the point or 12 after it.`
    return problems.add(node, 'value_out_of_range', message)
  }
  if (result.value < 0n && bounds.sign !== 'any')
    return problems.add(node, 'negative_value', `The field ${name} is not negative.`)
  if (bounds.sign === 'positive' && result.value === 0n) {
    return problems.add(node, 'value_out_of_range', `The field ${name} is greater than 0.`)
  }
  if (bounds.max !== undefined && result.value > bounds.max) {
    return problems.add(
      node,
      'value_out_of_range',
      `The field ${name} is at most ${bounds.max / 10n ** 12n}.`,
    )
  }
  return result.value
}
