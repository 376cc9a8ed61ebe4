// Postings: the feeds that make billing batches into journal entries, and orders into releases; periods of the books.

import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { KV } from '@nats-io/kv'
import { recognise } from '../../rating/recognition/recognise.js'
import { billingRunRecordSchema, runKeys } from '../../schemas/billing/billing-run.js'
import { packageRoot } from '../../schemas/package-root.js'
import { parseInstant } from '../../schemas/time.js'
import type { WeirConfig } from '../config/config.js'
import { sectionOf } from '../config/config.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import { feedOf } from '../deliver/feed.js'
import type { Feature, FeatureParts } from '../feature/feature.js'
import { closeBlockers } from './close-blockers.js'
import { periodRoutes } from './period-routes.js'
import { Periods } from './periods.js'
import { createErpSink } from './postings-sink.js'
import { ReleaseDesk } from './release-desk.js'
import { releaseRoutes } from './release-routes.js'
import { createReleaseSink } from './release-sink.js'
import { erpSettings } from './settings.js'
import { createTaxSink, placesIn } from './tax-sink.js'
import { TaxStore } from './tax-store.js'

const brokerTimeoutMs = 10_000
/** The mapping that ships with Weir; used when the configuration names no other. */
const exampleAccounts = fileURLToPath(new URL('sinks/mapping/accounts.example.yaml', packageRoot))

export const postingsFeature: Feature = {
  name: 'postings',
  feeds: config => [
    {
      key: 'erp',
      stream: 'BILLING',
      filterSubjects: ['billing.>'],
      ...leavesBy(config),
      openSink: parts =>
        createErpSink({
          ...common(parts),
          accountsFile: sectionOf(parts.config, erpSettings).accounts ?? exampleAccounts,
          recognise,
          cutoffNsOf: runId => cutoffNsOf(parts.buckets.runs, runId),
        }),
    },
    {
      key: 'releases',
      stream: 'CONTROL',
      filterSubjects: ['control.release'],
      ...leavesBy(config),
      openSink: parts =>
        createReleaseSink({ ...common(parts), isPosted: sequence => isApplied(parts, 'erp', sequence) }),
    },
    {
      key: 'taxes',
      stream: 'LEDGER',
      // Each commit has dispositions: the position goes on with them, so that retention need not wait for the next tax.
      filterSubjects: ['ledger.*.tax_transactions', 'ledger.*.event_dispositions'],
      limits: { paceMinMs: 500, paceMaxMs: 500 },
      openSink: parts =>
        createTaxSink({
          ...common(parts),
          accountsFile: sectionOf(parts.config, erpSettings).accounts ?? exampleAccounts,
          store: new TaxStore(parts.buckets.taxes, parts.jsm),
          placesOf: placesIn(parts.queries),
          nowMs: Date.now,
        }),
    },
  ],
  routes(parts) {
    const { js, jsm, audit, buckets, queries, feeds, openBilling } = parts
    const { calendarsFile } = common(parts)
    const isOut = (key: string, sequence: number) => isApplied(parts, key, sequence)
    const desk = new ReleaseDesk({
      ...common(parts),
      audit,
      nowMs: Date.now,
      newId: () => `ro_${randomUUID().replaceAll('-', '')}`,
      isDone: sequence => isOut('releases', sequence),
    })
    const clock = { nowMs: Date.now }
    const sources = { js, jsm, buckets, clickhouse: queries, feeds, isApplied: isOut, openBilling, ...clock }
    const blockers = closeBlockers(sources)
    const periods = new Periods({ ...common(parts), calendarsFile, audit, blockers, ...clock })
    return [...releaseRoutes(desk), ...periodRoutes({ periods, clickhouse: queries })]
  },
}

/** The CSV is written with the entries: while nothing may leave, both wait. */
function leavesBy(config: WeirConfig) {
  return sectionOf(config, erpSettings).csv_dir === undefined ? {} : { leaves: true as const }
}

function common({ config, bulk, js, jsm }: FeatureParts) {
  const { calendars: calendarsFile, csv_dir: csvDir } = sectionOf(config, erpSettings)
  return {
    bulk,
    js,
    jsm,
    timeoutMs: brokerTimeoutMs,
    ...(calendarsFile === undefined ? {} : { calendarsFile }),
    ...(csvDir === undefined ? {} : { csvDir }),
  }
}

/** Whether the feed of this key has everything up to a sequence of its stream. */
async function isApplied(
  { jsm, buckets, feeds }: FeatureParts,
  key: string,
  sequence: number,
): Promise<boolean> {
  return isCovered({ jsm, ...feedOf(feeds, key) }, await recordedPosition(buckets.sinks, key), sequence)
}

async function cutoffNsOf(runs: KV, runId: string): Promise<bigint | undefined> {
  const entry = await runs.get(runKeys.record(runId))
  return entry === null ? undefined : parseInstant(billingRunRecordSchema.parse(entry.json()).cutoff)
}
