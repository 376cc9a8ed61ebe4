// Postings: the feed that makes billing batches into journal entries.

import { fileURLToPath } from 'node:url'
import type { KV } from '@nats-io/kv'
import { recognise } from '../../rating/recognition/recognise.js'
import { billingRunRecordSchema, runKeys } from '../../schemas/billing/billing-run.js'
import { packageRoot } from '../../schemas/package-root.js'
import { parseInstant } from '../../schemas/time.js'
import { sectionOf } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { createErpSink } from './postings-sink.js'
import { erpSettings } from './settings.js'

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
      // The CSV is written with the entries: while nothing may leave, both wait.
      ...(sectionOf(config, erpSettings).csv_dir === undefined ? {} : { leaves: true as const }),
      openSink({ config, bulk, js, jsm, buckets }) {
        const { accounts = exampleAccounts, csv_dir: csvDir } = sectionOf(config, erpSettings)
        return createErpSink({
          bulk,
          js,
          jsm,
          accountsFile: accounts,
          ...(csvDir === undefined ? {} : { csvDir }),
          recognise,
          cutoffNsOf: runId => cutoffNsOf(buckets.runs, runId),
          timeoutMs: brokerTimeoutMs,
        })
      },
    },
  ],
}

async function cutoffNsOf(runs: KV, runId: string): Promise<bigint | undefined> {
  const entry = await runs.get(runKeys.record(runId))
  return entry === null ? undefined : parseInstant(billingRunRecordSchema.parse(entry.json()).cutoff)
}
