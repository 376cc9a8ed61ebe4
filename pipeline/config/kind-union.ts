// The shape of a section's entries that are told apart by their `kind`: what all kinds share, and each kind's own keys.

import type { z as Zod } from 'zod'
import { nearestHint } from '../../schemas/nearest-name.js'

interface Kind {
  readonly kind: string
  settings(z: typeof Zod): Zod.ZodRawShape
}

/**
 * A kind that is not there is told with the nearest name. The shapes are made when the first entry is read: every command reads
 * the configuration, most have no entry, and all kinds together take a third of the time of a short command.
 */
export function unionOfKinds<K extends Kind, Shared extends Zod.ZodRawShape>(
  z: typeof Zod,
  kinds: readonly K[],
  shared: (z: typeof Zod, kind: K) => Shared,
) {
  return z.lazy(() => madeUnion(z, kinds, shared))
}

function madeUnion<K extends Kind, Shared extends Zod.ZodRawShape>(
  z: typeof Zod,
  kinds: readonly K[],
  shared: (z: typeof Zod, kind: K) => Shared,
) {
  const names = kinds.map(({ kind }) => kind)
  const [first, ...others] = kinds.map(kind =>
    z.strictObject({ ...shared(z, kind), kind: z.literal(kind.kind), ...kind.settings(z) }),
  )
  return z.discriminatedUnion('kind', [first!, ...others], {
    error: issue => {
      const given = (issue.input as { kind?: unknown } | undefined)?.kind
      const hint = typeof given === 'string' ? nearestHint(given, names) : ''
      return `is one of ${names.join(', ')}${hint}`
    },
  })
}
