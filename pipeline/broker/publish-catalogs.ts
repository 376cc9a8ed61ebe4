// Publishes the catalog files of the configuration as `weir.catalog.published`, as a system of record would.
// Invariant: the id of the event is a hash of the content, so that the same file counts once over all starts.

import type { JetStreamClient } from '@nats-io/jetstream'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { stableId } from '../../schemas/identifiers.js'
import { natsSubjects } from './topology.js'

/** `before` is called with each event before it is published. */
export async function publishCatalogs(
  js: JetStreamClient,
  catalogs: readonly Catalog[],
  before: (event: Uint8Array) => Promise<void> = async () => {},
): Promise<void> {
  for (const catalog of catalogs) {
    const data = { catalog: catalogToWire(catalog) }
    const event = {
      specversion: '1.0',
      id: stableId('catalog', JSON.stringify(data)),
      source: '/weir/configuration',
      type: 'weir.catalog.published',
      data,
    }
    const bytes = new TextEncoder().encode(JSON.stringify(event))
    await before(bytes)
    await js.publish(natsSubjects.catalog, bytes)
  }
}
