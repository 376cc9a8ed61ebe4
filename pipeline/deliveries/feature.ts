// The feature of deliveries: the list, and what people ask of single ones.

import type { Feature } from '../feature/feature.js'
import { askRoutes } from './ask-routes.js'
import { listRoutes } from './list-routes.js'

export const deliveriesFeature: Feature = {
  name: 'deliveries',
  routes: parts => [...listRoutes(parts), ...askRoutes(parts, Date.now)],
}
