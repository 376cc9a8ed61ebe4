// The feature of exceptions: its routes.

import type { Feature } from '../feature/feature.js'
import { ExceptionDesk } from './exception-desk.js'
import { listRoutes } from './list-routes.js'
import { redriveJobs } from './redrive/redrive-jobs.js'
import { redriveRoutes } from './redrive/redrive-routes.js'

export const exceptionsFeature: Feature = {
  name: 'exceptions',
  routes: parts => {
    const desk = new ExceptionDesk(parts)
    return [...listRoutes(desk, Date.now), ...redriveRoutes({ ...parts, desk })]
  },
  jobs: parts => redriveJobs(parts, new ExceptionDesk(parts)),
}
