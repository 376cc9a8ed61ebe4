// The secrets of a source that are valid now, read at each use, so that a replaced file counts at once.

import type { WeirConfig } from '../../config/config.js'
import { readSecret } from '../../config/secrets.js'
import type { SourceSettings } from '../settings.js'
import type { SourceSecrets } from '../source-kind.js'

export interface SecretsRead {
  readonly secrets: SourceSecrets
  /** Why one of them cannot be read; the text holds no secret. */
  readonly troubles: readonly string[]
}

export function secretsOf(
  { secrets, auth }: Pick<SourceSettings, 'secrets' | 'auth'>,
  reader: Pick<WeirConfig, 'folder' | 'variable'>,
): SecretsRead {
  const troubles: string[] = []
  const signing: string[] = []
  const basic: { username: string; password: string }[] = []
  for (const source of secrets) {
    const read = readSecret(source, reader)
    if (read.kind === 'ok') signing.push(read.secret)
    else troubles.push(read.detail)
  }
  for (const { username, password } of auth) {
    const read = readSecret(password, reader)
    if (read.kind === 'ok') basic.push({ username, password: read.secret })
    else troubles.push(read.detail)
  }
  return { secrets: { signing, basic }, troubles }
}
