// Reads the secrets of a connection or a source from the file or variable that its settings name. They are read at each use,
// so that a replaced file counts, and stand in no configuration, log or error detail.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConnectorKind, SecretRead, SecretSource } from '../../sinks/connector-kind.js'
import type { WeirConfig } from './config.js'

type Reader = Pick<WeirConfig, 'folder' | 'variable'>

export function readSecret(
  source: SecretSource,
  { folder, variable }: Reader,
  problemOf?: ConnectorKind['secretProblem'],
): SecretRead {
  const where = 'file' in source ? resolve(folder, source.file) : `the variable ${source.variable}`
  let secret: string | undefined
  try {
    secret = 'file' in source ? readFileSync(where, 'utf8').trim() : variable(source.variable)
  } catch (error) {
    return missing(`${where} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  if (secret === undefined || secret === '') return missing(`${where} holds no secret`)
  const problem = problemOf?.(secret)
  return problem === undefined ? { kind: 'ok', secret } : missing(`${where} holds ${problem}`)
}

/** The sources of secrets in a connection's settings, with the path to each. */
export function secretSourcesIn(
  value: unknown,
  path: readonly string[] = [],
): readonly { readonly source: SecretSource; readonly path: readonly string[] }[] {
  if (typeof value !== 'object' || value === null) return []
  const members = Object.entries(value)
  const [first] = members
  if (members.length === 1 && typeof first?.[1] === 'string') {
    const [key, text] = first
    if (key === 'file') return [{ source: { file: text }, path: [...path, key] }]
    if (key === 'variable') return [{ source: { variable: text }, path: [...path, key] }]
  }
  return members.flatMap(([key, member]) => secretSourcesIn(member, [...path, key]))
}

function missing(detail: string): SecretRead {
  return { kind: 'stopped', code: 'credentials_missing', detail }
}
