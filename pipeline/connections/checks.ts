// What `weir validate` says of connections beyond their settings: secret files that hold none, and mapping files.
// Variables may be set elsewhere and are not checked.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseMappingFile } from '../../sinks/mapping/mapping-file.js'
import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { readSecret, secretSourcesIn } from '../config/secrets.js'
import { kindNamed } from './kinds.js'
import { type ConnectionSettings, connectionsSettings } from './settings.js'

/** `file` is the mapping file where the problem is in one. */
export function connectionProblems(config: WeirConfig): readonly ConfigProblem[] {
  return sectionOf(config, connectionsSettings).flatMap((connection, index) => [
    ...missingSecrets(connection, index, config),
    ...mappingProblems(connection, index, config),
  ])
}

function missingSecrets(connection: ConnectionSettings, index: number, config: WeirConfig): ConfigProblem[] {
  const { secretProblem } = kindNamed(connection.kind)
  const { auth } = connection as { readonly auth?: unknown }
  return secretSourcesIn(auth, ['auth']).flatMap(({ source, path }) => {
    const read = 'file' in source ? readSecret(source, config, secretProblem) : undefined
    if (read?.kind !== 'stopped') return []
    return [{ path: `connections.${index}.${path.join('.')}`, code: read.code, message: `${read.detail}.` }]
  })
}

function mappingProblems(
  { kind, mapping }: ConnectionSettings,
  index: number,
  { folder }: WeirConfig,
): ConfigProblem[] {
  if (mapping === undefined) return []
  const file = resolve(folder, mapping)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const message = `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`
    return [{ path: `connections.${index}.mapping`, code: 'file_unreadable', message }]
  }
  const parsed = parseMappingFile(text, file, kindNamed(kind).fields ?? {})
  if (parsed.kind === 'ok') return []
  return parsed.problems.map(({ line, code, message, path }) => ({
    file,
    line,
    path: path.slice(1).replaceAll('/', '.'),
    code,
    message,
  }))
}
