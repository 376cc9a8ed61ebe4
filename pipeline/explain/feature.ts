// What became of an event: its routes.

import { feedOf } from '../deliver/feed.js'
import type { Feature } from '../feature/feature.js'
import { readChargeEvents } from './charge-events.js'
import { clickhouseBehind, explainEvent } from './explain-event.js'
import { explainRoutes } from './routes.js'
import { PublishedCatalog } from './terms.js'

export const explainFeature: Feature = {
  name: 'explain',
  routes: ({ queries: clickhouse, jsm, buckets: { sinks }, feeds }) => {
    const source = {
      clickhouse,
      jsm,
      sinks,
      feed: feedOf(feeds, 'clickhouse'),
      catalog: new PublishedCatalog(jsm),
    }
    return explainRoutes({
      explain: identity => explainEvent(source, identity),
      behind: () => clickhouseBehind(source),
      eventsOfCharge: (charge, limit, cursor) => readChargeEvents(clickhouse, charge, limit, cursor),
    })
  },
}
