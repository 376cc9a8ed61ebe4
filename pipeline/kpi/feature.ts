// The figures that people watch: their route, and their metrics.

import { sectionOf } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { registerKpiGauges } from './gauges.js'
import { kpiRoute } from './routes.js'
import { targetsSettings } from './settings.js'

export const kpiFeature: Feature = {
  name: 'kpi',
  routes: ({ config, queries, registry, log }) => {
    const reader = { queries, registry, targets: sectionOf(config, targetsSettings) }
    registerKpiGauges(registry, reader, error => log.warn({ err: error }, 'the figures could not be read'))
    return [kpiRoute(reader)]
  },
}
