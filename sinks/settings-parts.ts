// Schemas that the settings of several kinds share. Each is a function of zod, so that it is loaded only when a
// configuration is read.

import type { z as Zod } from 'zod'
import type { SecretSource } from './connector-kind.js'
import type { Rate } from './http/limiter.js'

/** `{ file: … }` or `{ variable: … }`. */
export function secretSource(z: typeof Zod): Zod.ZodType<SecretSource> {
  return z.union(
    [z.strictObject({ file: z.string().min(1) }), z.strictObject({ variable: z.string().regex(/^\w+$/) })],
    'a secret is named by { file: … } or { variable: … }',
  )
}

/** A URL without credentials in it, and without a fragment, which no server ever sees. */
export function plainUrl(z: typeof Zod, instead: string): Zod.ZodType<string> {
  return z
    .url({ protocol: /^https?$/ })
    .refine(url => !url.includes('@'), `no credentials here: ${instead}`)
    .refine(url => !url.includes('#'), 'has no # and nothing behind it')
}

/** https, or http to this machine: what goes there carries a token or a password. */
export function secureUrl(z: typeof Zod): Zod.ZodType<string> {
  return plainUrl(z, 'they stand in auth').refine(
    url => /^https:/i.test(url) || /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/i.test(url),
    'is https://…; http is for this machine alone',
  )
}

/** The address that paths are added to: what stood behind a `?` would be lost with the first of them. */
export function baseUrl(z: typeof Zod): Zod.ZodType<string> {
  return secureUrl(z).refine(
    url => !url.includes('?'),
    'has no ? and nothing behind it: paths are added to it',
  )
}

/** How much may be sent; `account` joins the connections that share one limit of the receiver. */
export function rate(z: typeof Zod): Zod.ZodType<Rate | undefined> {
  return z
    .strictObject({
      per_second: z.number().positive().max(10_000).optional(),
      per_minute: z.int().min(1).max(600_000).optional(),
      concurrent: z.int().min(1).max(1_000).optional(),
      account: z.string().min(1).max(100).optional(),
    })
    .refine(one => Object.keys(one).length > 0, 'names per_second, per_minute, concurrent or account')
    .optional()
}
