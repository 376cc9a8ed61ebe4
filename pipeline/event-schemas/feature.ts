// The feature of schemas of types of events: their routes. The partitions read the published ones from the catalog.

import { sectionOf } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { schemaRoutes } from './routes.js'
import { schemasSettings } from './settings.js'

const readWithinMs = 30_000

export const eventSchemasFeature: Feature = {
  name: 'event-schemas',
  routes: ({ config, shadows }, events) =>
    schemaRoutes({
      events,
      settings: sectionOf(config, schemasSettings),
      catalog: () => shadows.publishedCatalog(AbortSignal.timeout(readWithinMs)),
    }),
}
