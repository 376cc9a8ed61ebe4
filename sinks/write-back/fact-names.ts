// The names under which a configuration maps how a customer stands to fields. This file loads no other module, since every
// command reads the settings.

export const whole = {
  customer_id: 'text',
  entity_id: 'text',
  standing_id: 'text',
  as_of: 'instant',
  correlation_id: 'text',
  dunning: 'text',
  open_exceptions: 'number',
  exceptions_not_known: 'number',
} as const

export const ofCurrency = {
  invoiced: 'number',
  paid: 'number',
  outstanding: 'number',
  overdue: 'number',
  open_invoices: 'number',
  overdue_invoices: 'number',
  dunning: 'text',
  failed_since: 'instant',
  failed_attempts: 'number',
  last_reason: 'text',
  at_stake: 'number',
} as const

export const currencyFact = /^([A-Z]{3})\.([a-z_]+)$/

export const factNames: readonly string[] = [
  ...Object.keys(whole),
  ...Object.keys(ofCurrency).map(name => `EUR.${name}`),
]

export function isFact(name: string): boolean {
  return Object.hasOwn(whole, name) || Object.hasOwn(ofCurrency, currencyFact.exec(name)?.[2] ?? '')
}
