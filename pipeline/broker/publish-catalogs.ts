// Publishes the catalog files of the configuration, as a system of record would by `weir.catalog.published`.
// Invariant: the event's identity is the file's content, so publishing at every start is publishing once.

import type { JetStreamClient } from '@nats-io/jetstream'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { stableId } from '../../schemas/identifiers.js'
import { natsSubjects } from './topology.js'

export async function publishCatalogs(js: JetStreamClient, catalogs: readonly Catalog[]): Promise<void> {
  for (const catalog of catalogs) {
    const data = { catalog: catalogToWire(catalog) }
    const event = {
      specversion: '1.0',
      id: stableId('catalog', JSON.stringify(data)),
      source: '/weir/configuration',
      type: 'weir.catalog.published',
      data,
    }
    await js.publish(natsSubjects.catalog, JSON.stringify(event))
  }
}
