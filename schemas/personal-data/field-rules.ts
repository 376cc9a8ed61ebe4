// Rules that name the personal fields of events, and the replacing of their values. A rule names an event type (`*`: every
// type) and a path into `data`; an element of an array on the way counts as one that the path names, and a path to an
// object or an array means every value in it.
// Invariants: an event's other values are not touched; `null` stays; replacing twice is the same as replacing once.

import { isRecord, stringifyJson } from '../json/json-text.js'
import { scalarText } from '../json/scalar-text.js'
import { maskAccount, maskCard, maskNumbers, paperStatus } from './masking.js'
import { isSealed } from './sealed-value.js'

/**
 * `sealed`: replaced by a text that only the customer's key can open. `card`, `account`: masked, for ever. `paper`: only a
 * status is kept.
 */
export const fieldKinds = ['sealed', 'card', 'account', 'paper'] as const
export type FieldKind = (typeof fieldKinds)[number]

export interface FieldRule {
  readonly eventType: string
  /** Keys from `data` on. */
  readonly path: readonly string[]
  readonly kind: FieldKind
}

/** Seals the JSON text of a value. */
export type Seal = (json: string) => string

type Data = Readonly<Record<string, unknown>>
type Change = (value: unknown) => unknown

/** Fields of `weir.*` events in which people write what they like. */
const freeTexts: readonly (readonly string[])[] = [
  ['reason'],
  ['name'],
  ['po_number'],
  ['change'],
  ['metadata'],
]

export class FieldRules {
  readonly #ofType = new Map<string, FieldRule[]>()
  readonly #ofEveryType: readonly FieldRule[]
  readonly #all: readonly FieldRule[]

  constructor(rules: readonly FieldRule[]) {
    this.#all = rules
    this.#ofEveryType = rules.filter(({ eventType }) => eventType === '*')
    for (const rule of rules) {
      if (rule.eventType === '*') continue
      const known = this.#ofType.get(rule.eventType) ?? [...this.#ofEveryType]
      this.#ofType.set(rule.eventType, [...known, rule])
    }
  }

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  /** Undefined, a type that is not known: the rules of all types, so that nothing personal is kept by mistake. */
  rulesOf(type: string | undefined): readonly FieldRule[] {
    if (type === undefined) return this.#all
    return this.#ofType.get(type) ?? this.#ofEveryType
  }

  /** Whether the type has a field that is sealed, so that the customer's key is needed. */
  isSealing(type: string | undefined): boolean {
    return this.rulesOf(type).some(({ kind }) => kind === 'sealed')
  }

  /** The data as it may be kept; the same object where nothing is to be replaced. */
  protect(type: string | undefined, data: Data, seal: Seal): Data {
    const ruled = this.rulesOf(type).reduce<Data>((done, { path, kind }) => {
      return at(done, path, value => replaced(value, kind, seal)) as Data
    }, data)
    return type?.startsWith('weir.') ? maskFreeTexts(ruled) : ruled
  }

  /** The pointers, inside `data`, of values that are to be replaced and are not. */
  inClear(type: string | undefined, data: Data): readonly string[] {
    const sealed: Seal = () => ''
    const rules = this.rulesOf(type)
    return rules
      .filter(({ path, kind }) => at(data, path, value => replaced(value, kind, sealed)) !== data)
      .map(({ path }) => path.map(key => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''))
  }
}

/** The data of a `weir.*` event, with whole card numbers and IBANs in its free texts masked. */
export function maskFreeTexts(data: Data): Data {
  const change: Change = value => (typeof value === 'string' ? maskNumbers(value) : value)
  return freeTexts.reduce<Data>((done, path) => at(done, path, change) as Data, data)
}

function replaced(value: unknown, kind: FieldKind, seal: Seal): unknown {
  if (value === null || isSealed(value)) return value
  if (kind === 'sealed') return seal(typeof value === 'string' ? JSON.stringify(value) : canonicalText(value))
  const text = typeof value === 'string' ? value : canonicalText(value)
  const kept = kind === 'card' ? maskCard(text) : kind === 'account' ? maskAccount(text) : paperStatus(text)
  return kept === value ? value : kept
}

/** Equal numbers have one text, so that the same event sent again is sealed the same. */
function canonicalText(value: unknown): string {
  const text = scalarText(value)
  return typeof text === 'string' ? text : stringifyJson(value)
}

/** The value with `change` applied to every scalar at the path; the same value where that changes nothing. */
function at(value: unknown, path: readonly string[], change: Change): unknown {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value
    const changed = items.map(item => at(item, path, change))
    return changed.some((item, index) => item !== items[index]) ? changed : value
  }
  if (!isRecord(value)) return path.length === 0 ? change(value) : value
  const [key, ...rest] = path
  const keys = key === undefined ? Object.keys(value) : Object.hasOwn(value, key) ? [key] : []
  let result: Record<string, unknown> = value
  for (const name of keys) {
    const changed = at(value[name], rest, change)
    if (changed === value[name]) continue
    if (result === value) result = { ...value }
    result[name] = changed
  }
  return result
}
