// The feature of identities: which ids other systems have for our customers, kept from the ledger for connections.

import type { Feature } from '../feature/feature.js'
import { IdentitiesSink } from './identities-sink.js'
import { CustomersLookup } from './identity-lookup.js'
import { IdentityStore } from './identity-store.js'

export const identitiesFeature: Feature = {
  name: 'identities',
  customerIds: ({ buckets }) => new IdentityStore(buckets.identities),
  identities: ({ queries }) => new CustomersLookup(queries),
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
}
