// The feature of the catalog as a whole: what is published, to be held against files.

import type { Feature } from '../feature/feature.js'
import { catalogRoutes } from './routes.js'

const readWithinMs = 30_000

export const catalogFeature: Feature = {
  name: 'catalog',
  routes: ({ shadows }) => catalogRoutes(() => shadows.publishedCatalog(AbortSignal.timeout(readWithinMs))),
}
