// Random plans in a second currency: every amount is another one there.

import type { Wire } from './picks.js'

const other: Readonly<Record<string, string>> = {
  ...{ amount: '17.5', unit_amount: '0.9', flat_amount: '2', package_amount: '1.75', fixed_amount: '0.07' },
  ...{
    per_event_minimum: '0.15',
    per_event_maximum: '0.25',
    default_unit_amount: '6',
    minimum: '1',
    maximum: '7',
  },
}

/** The price as a plan of that currency has it, also in a further one. */
export function inSecondCurrency(price: Wire, currency: unknown): Wire {
  const further = currency === 'EUR' ? 'USD' : 'EUR'
  const amounts = otherAmounts(price)
  return Object.keys(amounts).length === 0 ? price : { ...price, currencies: { [further]: amounts } }
}

function otherAmounts(price: Wire): Wire {
  const amounts: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(price)) {
    const told = other[name]
    if (name === 'tiers' || name === 'cells')
      amounts[name] = (value as Wire[]).map(each => ({ ...each, ...otherAmounts(each) }))
    else if (name === 'default') amounts[name] = { ...(value as Wire), ...otherAmounts(value as Wire) }
    else if (told !== undefined && value !== undefined) amounts[name] = told
  }
  return amounts
}
