// The feature of identities: which ids other systems have for ours, as events of customers told them and as people set them,
// for sources, connections and the API.

import { WatchedKeys } from '../broker/watched-keys.js'
import type { EarlyParts, Feature } from '../feature/feature.js'
import { IdentitiesSink } from './identities-sink.js'
import { IdentityDesk } from './identity-desk.js'
import { CustomerClaims, IdentityFinder } from './identity-lookup.js'
import { IdentityStore } from './identity-store.js'
import {
  formerMergesFilter,
  formersSchema,
  MappingTable,
  mappingSchema,
  mergesFilter,
} from './mapping-table.js'
import { MergeDesk } from './merge-desk.js'
import { mergeRoutes } from './merge-routes.js'
import { MergedCustomers } from './merged-customers.js'
import { identityRoutes } from './routes.js'

export const identitiesFeature: Feature = {
  name: 'identities',
  customerIds: ({ buckets, jsm }) =>
    new IdentityStore(buckets.identities, new MappingTable(buckets.identities, jsm)),
  identities: parts =>
    new IdentityFinder(
      new MappingTable(parts.buckets.identities, parts.jsm),
      new CustomerClaims(parts.queries),
      mergedCustomers(parts),
    ),
  feeds: () => [
    {
      key: 'identities',
      stream: 'LEDGER',
      // Each commit has dispositions: the position goes on with them, so that retention need not wait for the next customer.
      filterSubjects: ['ledger.*.customers', 'ledger.*.event_dispositions'],
      limits: { paceMinMs: 500, paceMaxMs: 500 },
      openSink: ({ buckets }) => new IdentitiesSink(new IdentityStore(buckets.identities)),
    },
  ],
  routes(parts) {
    const { buckets, jsm, queries, audit } = parts
    const table = new MappingTable(buckets.identities, jsm)
    const desk = new IdentityDesk({ table, claims: new CustomerClaims(queries), audit, nowMs: Date.now })
    const merged = mergedCustomers(parts)
    return [
      ...identityRoutes({ desk, table, queries }),
      ...mergeRoutes({
        desk: new MergeDesk({ table, merged, audit, nowMs: Date.now }),
        ...{ table, merged, queries },
      }),
    ]
  },
}

function mergedCustomers({ buckets, jsm, nc, log }: Pick<EarlyParts, 'buckets' | 'jsm' | 'nc' | 'log'>) {
  const of = <T>(filter: string, parse: (json: unknown) => T) =>
    new WatchedKeys({
      kv: buckets.identities,
      jsm,
      bucket: 'weir_identities',
      filter,
      parse,
      log,
      isClosed: () => nc.isClosed(),
    })
  return new MergedCustomers(
    of(mergesFilter, json => mappingSchema.parse(json)),
    of(formerMergesFilter, json => formersSchema.parse(json)),
  )
}
