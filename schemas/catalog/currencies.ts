// Further currencies of a price: how they are read, written and described. Contract section 9; rating/timeline/plan-currency.ts
// says which one a subscription has.
// Invariants: in each currency a price is whole (every amount that it has is told again, none is taken from another currency) and
// differs in nothing but its amounts; all prices of a plan that have amounts are in the same currencies.

import { minorUnits } from '../money/currency.js'
import { nearestHint, shownName } from '../nearest-name.js'
import type { Price } from './catalog.js'
import { asMap, type FieldReader } from './catalog-reader.js'
import type { MapNode, Problems, SourceNode } from './catalog-source.js'
import { moneyFields } from './currencies-field.js'
import type { Wire } from './models/model-shape.js'

/** `read` reads the price as if it were written with these fields. Undefined: the price has none. */
export function readCurrencies<P extends Price>(
  reader: FieldReader,
  problems: Problems,
  read: (node: MapNode) => P | undefined,
): ReadonlyMap<string, P> | undefined {
  const node = reader.field('currencies')
  const map = node === undefined ? undefined : asMap(node, 'The field currencies', problems)
  if (map === undefined) return undefined
  if (map.members.size === 0)
    return reader.fault(
      'currencies',
      'invalid_value',
      'The field currencies names at least one; left out: none.',
    )
  const prices = new Map<string, P>()
  for (const [currency, { key, value }] of map.members) {
    if (minorUnits(currency) === undefined) {
      const message = `${shownName(currency)} is not a currency of ISO 4217, such as USD.`
      problems.add(key, 'unknown_currency', message)
      continue
    }
    const amounts = asMap(value, 'A price in a currency', problems)
    if (amounts === undefined || !isWhole(reader.node, amounts, currency, problems)) continue
    const own = [...reader.node.members].filter(([name]) => name !== 'currencies')
    const price = read({ ...reader.node, members: new Map([...own, ...amounts.members]) })
    if (price !== undefined) prices.set(currency, price)
  }
  return prices
}

function isWhole(price: MapNode, amounts: MapNode, currency: string, problems: Problems): boolean {
  const named = namedAmounts(price)
  const before = problems.count
  for (const name of named) {
    if (amounts.members.has(name)) continue
    problems.add(
      amounts,
      'missing_field',
      `The field ${name} is missing: the price in ${currency} needs its own.`,
    )
  }
  for (const [name, { key }] of amounts.members) {
    if (named.includes(name)) continue
    const message = `${shownName(name)} is no amount that the price has${nearestHint(name, named)}; its amounts: ${named.join(', ')}.`
    problems.add(key, 'unknown_key', message)
  }
  return problems.count === before
}

function namedAmounts({ members }: MapNode): string[] {
  return moneyFields.filter(name => members.has(name))
}

/** `nodes`: all prices of a plan, those of its phases too. */
export function checkSameCurrencies(
  nodes: readonly SourceNode[],
  currency: string | undefined,
  problems: Problems,
): void {
  const maps = nodes.filter(node => node.kind === 'map')
  const all = new Set(maps.flatMap(node => [...currenciesIn(node).keys()]))
  if (all.size === 0) return
  for (const node of maps) {
    const own = currenciesIn(node)
    const twice = currency === undefined ? undefined : own.get(currency)
    if (twice !== undefined)
      problems.add(
        twice.key,
        'invalid_value',
        `${currency} is the currency of the plan, in which the price stands.`,
      )
    const missing = [...all].filter(one => !own.has(one) && one !== currency)
    if (missing.length === 0 || namedAmounts(node).length === 0) continue
    const message = `The price is not in ${missing.join(', ')}, in which other prices of the plan are.`
    problems.add(node, 'missing_currency', message)
  }
}

function currenciesIn(node: MapNode): MapNode['members'] {
  const currencies = node.members.get('currencies')?.value
  return currencies?.kind === 'map' ? currencies.members : new Map()
}

export function currenciesToWire({ currencies }: Price, toWire: (price: Price) => Wire): Wire {
  if (currencies === undefined) return {}
  const isAmount = ([name]: [string, unknown]) => moneyFields.some(one => one === name)
  const each = [...currencies].map(([currency, price]) => [
    currency,
    Object.fromEntries(Object.entries(toWire(price)).filter(isAmount)),
  ])
  return { currencies: Object.fromEntries(each) }
}

/** An amount over several prices is in one currency. */
export function refuseBoundsInSeveral(reader: FieldReader, prices: readonly Price[]): void {
  if (prices.every(({ currencies }) => currencies === undefined)) return
  for (const name of ['minimum', 'maximum']) {
    if (!reader.has(name)) continue
    const message = `The ${name} of a plan is in one currency; a plan in several has none. Say a commitment of the subscription.`
    reader.fault(name, 'contradicting_fields', message)
  }
}
