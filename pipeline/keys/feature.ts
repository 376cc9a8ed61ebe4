// API keys: the routes that make, list, rotate and revoke them. Who may call what is decided in the gateway.

import type { Feature } from '../feature/feature.js'
import { keyRoutes } from './key-routes.js'

export const keysFeature: Feature = {
  name: 'keys',
  routes: ({ buckets, audit }) => keyRoutes(buckets.keys, audit),
}
