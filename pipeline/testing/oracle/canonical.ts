// Equality as the contract means it: by value, whatever the order of keys and the spelling of numbers.

import { numberKey, numberText } from './numbers.js'

/** Equal texts, equal values. */
export function canonical(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  const digits = numberText(value)
  if (digits !== undefined && digits !== 'Infinity') return numberKey(digits)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value instanceof Map) return canonical(Object.fromEntries(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}
