// Proves a request by the login of basic authentication, for systems that sign nothing.
// Invariant: how long the comparison takes tells nothing of the password.

import { hash, timingSafeEqual } from 'node:crypto'
import type { Refusal, SourceSecrets, WebhookRequest } from './source-kind.js'

/** Undefined: it is proven. */
export function basicRefusal(
  { headers }: Pick<WebhookRequest, 'headers'>,
  { basic }: Pick<SourceSecrets, 'basic'>,
): Refusal | undefined {
  const given = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(headers['authorization'] ?? '')?.[1]
  if (given === undefined) return 'signature_missing'
  const digest = hash('sha256', Buffer.from(given, 'base64'), 'buffer')
  const isKnown = basic.map(({ username, password }) =>
    timingSafeEqual(digest, hash('sha256', Buffer.from(`${username}:${password}`), 'buffer')),
  )
  return isKnown.includes(true) ? undefined : 'signature_invalid'
}

/** The header with which we say who we are. */
export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
