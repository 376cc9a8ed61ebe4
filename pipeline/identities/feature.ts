// The feature of identities: which ids other systems have for our customers, kept from the ledger for connections.

import type { Feature } from '../feature/feature.js'
import { IdentitiesSink } from './identities-sink.js'
import { IdentityStore } from './identity-store.js'

export const identitiesFeature: Feature = {
  name: 'identities',
  customerIds: ({ buckets }) => new IdentityStore(buckets.identities),
  feeds: () => [
    {
      key: 'identities',
      stream: 'LEDGER',
      filterSubjects: ['ledger.*.customers'],
      openSink: ({ buckets }) => new IdentitiesSink(new IdentityStore(buckets.identities)),
    },
  ],
}
