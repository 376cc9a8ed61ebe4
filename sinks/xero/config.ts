// The settings of a connection to Xero, beside those that all connections share.

import type { z as Zod } from 'zod'
import type { SecretSource, SettingsShape } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'

/** A custom connection: made for one organisation, which Xero knows from the client. */
export interface CustomConnectionAuth {
  readonly client_id: string
  readonly client_secret: SecretSource
  /** Default: what the connection needs. */
  readonly scope?: string | undefined
  readonly token_url: string
}

/** A standard app, to which somebody of the organisation gave consent. */
export interface ConsentAuth {
  readonly client_id: string
  readonly client_secret: SecretSource
  /** Of the consent; what Xero gives for it later is kept by us. */
  readonly refresh_token: SecretSource
  /** What the kept refresh token is encrypted with. */
  readonly token_key: SecretSource
  readonly token_url: string
}

export interface XeroSettings {
  readonly url: string
  /** The id of the organisation. */
  readonly tenant: string
  /** The organisation's own currency, which it is asked for: Xero has manual journals in no other. */
  readonly currency?: string | undefined
  readonly status: 'posted' | 'draft'
  readonly auth: CustomConnectionAuth | ConsentAuth
  /** The names of the tracking categories that `tracking_1` and `tracking_2` of the mapping give options of. */
  readonly tracking: readonly string[]
  /** Before our key, at the beginning of the narration. */
  readonly prefix: string
}

/** A custom connection is asked for the settings of the organisation only where they are needed, or granted in `scope`. */
export function scopeOf(
  { currency }: Pick<XeroSettings, 'currency'>,
  { scope }: CustomConnectionAuth,
): string {
  return (
    scope ??
    (currency === undefined ? 'accounting.transactions accounting.settings.read' : 'accounting.transactions')
  )
}

export function xeroSettings(z: typeof Zod): SettingsShape<XeroSettings> {
  const client = { client_id: z.string().min(1), client_secret: secretSource(z) }
  const tokenUrl = secureUrl(z).default('https://identity.xero.com/connect/token')
  return {
    url: baseUrl(z).default('https://api.xero.com/api.xro/2.0'),
    tenant: z.guid('the id of the organisation, as GET https://api.xero.com/connections lists it'),
    currency: z
      .string()
      .regex(
        /^[A-Z]{3}$/,
        "the organisation's own currency, such as AUD; without it the organisation is asked",
      )
      .optional(),
    status: z.enum(['posted', 'draft']).default('posted'),
    auth: z.union(
      [
        z.strictObject({
          ...client,
          scope: z.string().min(1).optional(),
          token_url: tokenUrl,
        }),
        z.strictObject({
          ...client,
          refresh_token: secretSource(z),
          token_key: secretSource(z),
          token_url: tokenUrl,
        }),
      ],
      'is { client_id, client_secret } of a custom connection, or { client_id, client_secret, refresh_token, token_key }',
    ),
    tracking: z.array(z.string().min(1).max(100)).max(2).default([]),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{0,20}$/, 'up to 20 letters, digits, _ and -')
      .default('weir_'),
  }
}
