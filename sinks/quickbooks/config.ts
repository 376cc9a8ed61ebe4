// The settings of a connection to QuickBooks Online, beside those that all connections share.

import type { z as Zod } from 'zod'
import type { SecretSource, SettingsShape } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'

export interface QuickbooksSettings {
  /** `https://quickbooks.api.intuit.com`, or that of the sandbox. */
  readonly url: string
  /** The id of the company. */
  readonly realm: string
  /** The company's own currency, which it is asked for; where both are there they must agree. */
  readonly home_currency?: string | undefined
  readonly auth: {
    readonly client_id: string
    readonly client_secret: SecretSource
    /** Of the consent; what Intuit gives for it later is kept by us. */
    readonly refresh_token: SecretSource
    /** What the kept refresh token is encrypted with. */
    readonly token_key: SecretSource
    readonly token_url: string
  }
  readonly minor_version: number
  /** Before our key, at the beginning of the private note. */
  readonly prefix: string
}

export function quickbooksSettings(z: typeof Zod): SettingsShape<QuickbooksSettings> {
  return {
    url: baseUrl(z).default('https://quickbooks.api.intuit.com'),
    realm: z.string().regex(/^\d{5,25}$/, 'the id of the company: realmId of the consent'),
    home_currency: z
      .string()
      .regex(/^[A-Z]{3}$/, "the company's own currency, such as USD; without it the company is asked")
      .optional(),
    auth: z.strictObject({
      client_id: z.string().min(1),
      client_secret: secretSource(z),
      refresh_token: secretSource(z),
      token_key: secretSource(z),
      token_url: secureUrl(z).default('https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer'),
    }),
    minor_version: z.int().min(1).max(1_000).default(75),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{0,20}$/, 'up to 20 letters, digits, _ and -')
      .default('weir_'),
  }
}
