// The settings of client credentials at Microsoft Entra ID, which the connectors to Dynamics 365 share.

import type { z as Zod } from 'zod'
import type { SecretSource } from '../connector-kind.js'
import { secretSource, secureUrl } from '../settings-parts.js'

export interface EntraAuth {
  /** The directory: its id or one of its domains. */
  readonly tenant: string
  readonly client_id: string
  readonly client_secret?: SecretSource | undefined
  /** Instead of a secret: the private key (PKCS 8) of a certificate, and the SHA-256 thumbprint of the certificate in hex. */
  readonly private_key?: SecretSource | undefined
  readonly thumbprint?: string | undefined
  readonly algorithm: 'PS256' | 'RS256'
  /** Default: that of the directory in the global cloud. */
  readonly token_url?: string | undefined
}

export function entraAuth(z: typeof Zod): Zod.ZodType<EntraAuth> {
  return z
    .strictObject({
      tenant: z.string().regex(/^[A-Za-z0-9.-]{1,253}$/, 'the id or a domain of the directory'),
      client_id: z.string().min(1),
      client_secret: secretSource(z).optional(),
      private_key: secretSource(z).optional(),
      thumbprint: z
        .string()
        .regex(/^[0-9A-Fa-f]{64}$/, 'the SHA-256 thumbprint: 64 hexadecimal digits')
        .optional(),
      algorithm: z.enum(['PS256', 'RS256']).default('PS256'),
      token_url: secureUrl(z).optional(),
    })
    .refine(
      one =>
        one.client_secret === undefined
          ? one.private_key !== undefined && one.thumbprint !== undefined
          : one.private_key === undefined && one.thumbprint === undefined,
      'has client_secret, or private_key and thumbprint',
    )
}
