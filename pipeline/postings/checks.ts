// What `weir validate` says of the files that the section `erp` names: the account mapping and the accounting calendars, every
// fault with its own file and line. The feeds read the same files again at every attempt.

import { readFileSync } from 'node:fs'
import { parseCalendars } from '../../schemas/accounting-calendar/parse-calendars.js'
import type { CatalogProblem } from '../../schemas/catalog/catalog-source.js'
import { parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { erpSettings } from './settings.js'

type Parse = (
  text: string,
  file: string,
) => { readonly kind: 'ok' } | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

/** `file` is that of the mapping or the calendars where the problem is in one. */
export function booksProblems(config: WeirConfig): readonly ConfigProblem[] {
  const { accounts, calendars } = sectionOf(config, erpSettings)
  return [
    ...problemsOf('erp.accounts', accounts, parseAccountMapping),
    ...problemsOf('erp.calendars', calendars, parseCalendars),
  ]
}

function problemsOf(path: string, file: string | undefined, parse: Parse): ConfigProblem[] {
  if (file === undefined) return []
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const message = `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`
    return [{ path, code: 'file_unreadable', message }]
  }
  const parsed = parse(text, file)
  if (parsed.kind === 'ok') return []
  return parsed.problems.map(({ line, code, message, path: within }) => ({
    file,
    line,
    path: within.slice(1).replaceAll('/', '.'),
    code,
    message,
  }))
}
