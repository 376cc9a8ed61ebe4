// The feature of exceptions: its routes, the jobs that mend them, and how many are open and how old, as metrics.

import type { Feature } from '../feature/feature.js'
import { answerRoutes } from './answer-routes.js'
import { ExceptionDesk, rulesOf } from './exception-desk.js'
import { registerExceptionGauges } from './gauges.js'
import { listRoutes } from './list-routes.js'
import { redriveJobs } from './redrive/redrive-jobs.js'
import { redriveRoutes } from './redrive/redrive-routes.js'
import { ToldExceptions } from './told-exceptions.js'

export const exceptionsFeature: Feature = {
  name: 'exceptions',
  routes: parts => {
    const desk = new ExceptionDesk(parts, rulesOf(parts.config))
    const { registry, queries, log } = parts
    const onTrouble = (error: unknown) => log.warn({ err: error }, 'the exceptions could not be counted')
    registerExceptionGauges({ registry, queries, sources: () => desk.sources(), onTrouble })
    return [
      ...listRoutes(desk, Date.now),
      ...answerRoutes(parts, desk, Date.now),
      ...redriveRoutes({ ...parts, desk }),
    ]
  },
  openExceptions: parts => new ToldExceptions(new ExceptionDesk(parts, rulesOf(parts.config)), parts.queries),
  jobs: parts => redriveJobs(parts, new ExceptionDesk(parts, rulesOf(parts.config))),
}
