// Rebuilds: the tables of ClickHouse filled again from the ledger and the streams.

import type { Feature } from '../feature/feature.js'
import { freeFeeds, rebuildKind } from './rebuild-kind.js'
import { rebuildRoutes } from './routes.js'

export const rebuildFeature: Feature = {
  name: 'rebuild',
  async routes(parts) {
    await freeFeeds(parts, await parts.jobs.list())
    return rebuildRoutes(parts)
  },
  jobs: parts => [rebuildKind(parts)],
}
