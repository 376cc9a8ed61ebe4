// Reads the accounting calendars of the configuration. Without a file every entity has calendar months in UTC.

import { readFile } from 'node:fs/promises'
import {
  type AccountingCalendars,
  defaultCalendars,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import { parseCalendars } from '../../schemas/accounting-calendar/parse-calendars.js'
import { Problem } from '../gateway/problem.js'

export class CalendarsError extends Error {
  override readonly name = 'CalendarsError'
}

export async function readCalendars(file: string | undefined): Promise<AccountingCalendars> {
  if (file === undefined) return defaultCalendars
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new CalendarsError(`${file}: ${error.message}`)
  })
  const parsed = parseCalendars(text, file)
  if (parsed.kind === 'ok') return parsed.calendars
  throw new CalendarsError(parsed.problems.map(one => `${one.file}:${one.line}: ${one.message}`).join(' '))
}

/** For whoever asks over HTTP. */
export async function calendarsOrProblem(file: string | undefined): Promise<AccountingCalendars> {
  return readCalendars(file).catch((error: unknown) => {
    throw error instanceof CalendarsError ? new Problem('invalid_accounting_calendar', error.message) : error
  })
}
