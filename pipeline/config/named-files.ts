// What `weir validate` says of files that a section of the configuration names: secrets and mappings. One place for all
// sections that have them. Variables may be set elsewhere and are not checked.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CatalogProblem } from '../../schemas/catalog/catalog-source.js'
import type { ConnectorKind } from '../../sinks/connector-kind.js'
import type { ConfigProblem, WeirConfig } from './config.js'
import { readSecret, type secretSourcesIn } from './secrets.js'

/** Secret files that hold none. `at`: where the sources stand in the configuration, as `connections.0`. */
export function missingSecretFiles(
  named: ReturnType<typeof secretSourcesIn>,
  at: string,
  config: WeirConfig,
  problemOf?: ConnectorKind['secretProblem'],
): ConfigProblem[] {
  return named.flatMap(({ source, path }) => {
    const read = 'file' in source ? readSecret(source, config, problemOf) : undefined
    if (read?.kind !== 'stopped') return []
    return [{ path: `${at}.${path.join('.')}`, code: read.code, message: `${read.detail}.` }]
  })
}

type ReadFile =
  | { readonly kind: 'ok' }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

/** Problems of a mapping file, which is named relative to the configuration file; `read` finds its faults. */
export function mappingFileProblems(
  mapping: string | undefined,
  at: string,
  { folder }: WeirConfig,
  read: (text: string, file: string) => ReadFile | undefined,
): ConfigProblem[] {
  if (mapping === undefined) return []
  const file = resolve(folder, mapping)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const message = `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`
    return [{ path: `${at}.mapping`, code: 'file_unreadable', message }]
  }
  const found = read(text, file)
  if (found === undefined || found.kind === 'ok') return []
  return found.problems.map(({ line, code, message, path }) => ({
    file,
    line,
    path: path.slice(1).replaceAll('/', '.'),
    code,
    message,
  }))
}
