// Which fields of a system of record a connection may write: those that the configuration allows by name, and nothing else.
// Invariant: the list holds at each sending, whatever mode somebody has set by command.

import type { Stopped } from '../connector.js'

/** Undefined: all that would be written is allowed. */
export function fieldsNotAllowed(
  written: readonly string[],
  allowed: readonly string[],
): Stopped | undefined {
  const missing = written.filter(field => !allowed.includes(field))
  if (missing.length === 0) return undefined
  const detail = `the configuration does not allow writing ${missing.join(', ')}: allow.fields names what may be written`
  return { kind: 'stopped', code: 'field_not_allowed', detail }
}
