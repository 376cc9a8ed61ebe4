// The ClickHouse feature: the feeds of the ledger, of billing batches, of postings, of deliveries and of
// what was answered to exceptions, the schema, and the history that partitions read back.

import { insertsOfArrivals } from '../../sinks/clickhouse/arrival-rows.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import {
  insertsOfAudit,
  insertsOfBilling,
  insertsOfDeliveries,
  insertsOfPostings,
  insertsOfResolutions,
  insertsOfSummaries,
  ledgerSubjects,
} from '../../sinks/clickhouse/records.js'
import { ClickHouseSink } from '../../sinks/clickhouse/sink.js'
import type { Feature, FeatureFeed } from '../feature/feature.js'
import { ClickHouseHistory } from './clickhouse-history.js'

const feeds: readonly FeatureFeed[] = [
  {
    key: 'clickhouse',
    stream: 'LEDGER',
    filterSubjects: ledgerSubjects,
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse),
    isAwaited: true,
  },
  {
    key: 'clickhouse.billing',
    stream: 'BILLING',
    filterSubjects: ['billing.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfBilling),
  },
  {
    key: 'clickhouse.postings',
    stream: 'POSTINGS',
    filterSubjects: ['postings.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfPostings),
  },
  {
    key: 'clickhouse.summaries',
    stream: 'POSTINGS',
    filterSubjects: ['summaries.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfSummaries),
  },
  {
    key: 'clickhouse.deliveries',
    stream: 'DELIVERIES',
    filterSubjects: ['deliveries.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfDeliveries),
  },
  {
    key: 'clickhouse.resolutions',
    stream: 'RESOLUTIONS',
    filterSubjects: ['resolutions.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfResolutions),
  },
  {
    key: 'clickhouse.arrivals',
    stream: 'ARRIVAL_OUTCOMES',
    filterSubjects: ['arrival_outcomes.*'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfArrivals),
  },
  {
    key: 'clickhouse.audit',
    stream: 'AUDIT',
    filterSubjects: ['audit.>'],
    openSink: ({ clickhouse }) => new ClickHouseSink(clickhouse, insertsOfAudit),
  },
]

export const clickhouseFeature: Feature = {
  name: 'clickhouse',
  migrate,
  feeds: () => feeds,
  history: ({ queries }, delivery) => new ClickHouseHistory({ clickhouse: queries, delivery }),
}
