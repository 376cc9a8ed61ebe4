// The feature of exceptions: its routes.

import type { Feature } from '../feature/feature.js'
import { ExceptionDesk } from './exception-desk.js'
import { listRoutes } from './list-routes.js'

export const exceptionsFeature: Feature = {
  name: 'exceptions',
  routes: parts => listRoutes(new ExceptionDesk(parts), Date.now),
}
