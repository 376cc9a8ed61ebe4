// Reads the secrets of a connection from the file or variable that its settings name. They are read when the
// connection begins, and stand in no configuration, log or error detail.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { keyOfSecret } from '../../sinks/webhook/config.js'
import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { connectionsSettings, type SecretSource } from './settings.js'

export type Secrets =
  | { readonly kind: 'ok'; readonly secrets: readonly string[] }
  | { readonly kind: 'missing'; readonly detail: string }

export function readSecrets(
  sources: readonly SecretSource[],
  { folder, variable }: Pick<WeirConfig, 'folder' | 'variable'>,
): Secrets {
  const secrets: string[] = []
  for (const source of sources) {
    const where = 'file' in source ? resolve(folder, source.file) : `the variable ${source.variable}`
    let secret: string | undefined
    try {
      secret = 'file' in source ? readFileSync(where, 'utf8').trim() : variable(source.variable)
    } catch (error) {
      return { kind: 'missing', detail: `${where} cannot be read: ${(error as NodeJS.ErrnoException).code}` }
    }
    if (secret === undefined || secret === '') return { kind: 'missing', detail: `${where} holds no secret` }
    if (keyOfSecret(secret) === undefined)
      return { kind: 'missing', detail: `${where} holds no secret of 24 to 64 bytes in base64 behind whsec_` }
    secrets.push(secret)
  }
  return { kind: 'ok', secrets }
}

/** For `weir validate`: each file that names a secret and holds none. Variables may be set elsewhere and are not checked. */
export function missingSecrets(
  config: WeirConfig,
): readonly Pick<ConfigProblem, 'path' | 'code' | 'message'>[] {
  return sectionOf(config, connectionsSettings).flatMap((connection, index) => {
    if (connection.kind !== 'webhook') return []
    return connection.auth.secrets.flatMap((source, at) => {
      const read = 'file' in source ? readSecrets([source], config) : undefined
      if (read?.kind !== 'missing') return []
      const path = `connections.${index}.auth.secrets.${at}.file`
      return [{ path, code: 'credentials_missing', message: `${read.detail}.` }]
    })
  })
}
