// The settings of a webhook connection, as its connector takes them.

import type { Stopped } from '../connector.js'
import type { Limiter, Rate } from '../http/limiter.js'

export type WebhookSecrets = { readonly kind: 'ok'; readonly secrets: readonly string[] } | Stopped

export interface WebhookConfig {
  readonly url: string
  /** `whsec_` and base64. Two while a secret is being replaced: each request is signed with both. Read at each page. */
  readonly secrets: () => WebhookSecrets
  /** Default: no limit. */
  readonly limiter?: Limiter
  readonly rate?: Rate
  /** Default 20 s, within the 15 to 30 s of the specification. */
  readonly attemptMs?: number
}

export const secretPrefix = 'whsec_'

/** The key of a secret: 24 to 64 bytes. Undefined when the text is not a secret of this form. */
export function keyOfSecret(secret: string): Uint8Array | undefined {
  const text = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : secret
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const key = Buffer.from(text, 'base64')
  return key.byteLength >= 24 && key.byteLength <= 64 ? key : undefined
}
