// Identities out of a map, for tests of mappings.

import { type IdentityLookup, ownSystem } from '../../feature/identity-lookup.js'

/** By kind of object and theirs, as `customer cus_1`. */
export function lookupOf(identities: ReadonlyMap<string, string>): IdentityLookup {
  return {
    ours: async asked =>
      asked.map(({ object, system, id }) =>
        system === ownSystem ? undefined : identities.get(`${object} ${id}`),
      ),
    ever: async asked => asked.map(() => []),
  }
}
