// The list of all kinds of sources.

import { avataxKind } from './avatax/kind.js'
import { chargebeeKind } from './chargebee/kind.js'
import { hubspotKind } from './hubspot/kind.js'
import { recurlyKind } from './recurly/kind.js'
import { salesforceKind } from './salesforce/kind.js'
import type { SourceKind } from './source-kind.js'
import { standardKind } from './standard/kind.js'
import { stripeKind } from './stripe/kind.js'

export const sourceKinds: readonly SourceKind[] = [
  standardKind,
  stripeKind,
  recurlyKind,
  chargebeeKind,
  salesforceKind,
  hubspotKind,
  avataxKind,
]

export function kindNamed(name: string): SourceKind {
  const kind = sourceKinds.find(one => one.kind === name)
  if (kind === undefined) throw new Error(`there is no kind of source ${name}`)
  return kind
}
