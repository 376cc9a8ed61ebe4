// Identities out of a map, for tests of mappings.

import type { IdentityLookup } from '../../feature/identity-lookup.js'

/** By kind of object and theirs, as `customer cus_1`. */
export function lookupOf(identities: ReadonlyMap<string, string>): IdentityLookup {
  return { ours: async asked => asked.map(({ object, id }) => identities.get(`${object} ${id}`)) }
}
