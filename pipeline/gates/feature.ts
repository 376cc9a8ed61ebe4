// The feature of gates: keeps the statuses of customers, and answers what they hold.

import type { ClickHouseClient } from '@clickhouse/client'
import { Kvm } from '@nats-io/kv'
import { WatchedKeys } from '../broker/watched-keys.js'
import { sectionOf } from '../config/config.js'
import type { EarlyParts, Feature } from '../feature/feature.js'
import { GateKeeper } from './gate-keeper.js'
import { gateRoutes } from './routes.js'
import { gatesSettings, unknownConnections } from './settings.js'
import { everyStatusKey, gatesBucket, StatusStore } from './status-store.js'
import { customerStatusesSchema } from './statuses.js'
import { StatusesSink } from './statuses-sink.js'
import { type VatNumber, ViesChecker } from './vies-checker.js'

export const gatesFeature: Feature = {
  name: 'gates',
  async statusGates(parts) {
    const { config, queries: clickhouse, feeds, log } = parts
    const settings = sectionOf(config, gatesSettings)
    const connections = feeds.flatMap(({ ofRecords }) => ofRecords?.connection ?? [])
    for (const { path, message } of unknownConnections(settings, connections)) log.warn({ path }, message)
    const statuses = await watched(parts)
    return new GateKeeper({ statuses, settings, clickhouse, nowMs: Date.now, log })
  },
  feeds: () => [
    {
      key: 'gates',
      stream: 'LEDGER',
      // Each commit has dispositions: the position goes on with them, so that retention need not wait for the next status.
      filterSubjects: ['ledger.*.customer_statuses', 'ledger.*.event_dispositions'],
      limits: { paceMinMs: 500, paceMaxMs: 500 },
      openSink: async ({ js }) => new StatusesSink(new StatusStore(await new Kvm(js).open(gatesBucket))),
    },
  ],
  async work({ config, js, queries, log }, events) {
    const { vies } = sectionOf(config, gatesSettings)
    if (vies === undefined) return { routes: [], start: () => {}, drain: async () => {} }
    const kv = await new Kvm(js).open(gatesBucket)
    const numbers = () => vatNumbers(queries, vies.metadata)
    const checker = new ViesChecker({ settings: vies, kv, numbers, events, nowMs: Date.now, log })
    return { routes: [], start: () => checker.start(), drain: () => checker.drain() }
  },
  async routes(parts) {
    const settings = sectionOf(parts.config, gatesSettings)
    const statuses = await watched(parts)
    return gateRoutes({ statuses, settings, gates: parts.gates, clickhouse: parts.queries, nowMs: Date.now })
  },
}

/** What customers have under the key now. */
async function vatNumbers(clickhouse: ClickHouseClient, key: string): Promise<readonly VatNumber[]> {
  const query = `SELECT customer_id, JSONExtractString(argMax(metadata, (event_time, ledger_sequence)), {key: String}) AS number
    FROM customers GROUP BY customer_id HAVING number != '' ORDER BY customer_id`
  const answer = await clickhouse.query({ query, query_params: { key }, format: 'JSONEachRow' })
  return answer.json<VatNumber>()
}

async function watched({ js, jsm, nc, log }: Pick<EarlyParts, 'js' | 'jsm' | 'nc' | 'log'>) {
  const statuses = new WatchedKeys({
    ...{ kv: await new Kvm(js).open(gatesBucket), jsm, bucket: gatesBucket, filter: everyStatusKey, log },
    parse: json => customerStatusesSchema.parse(json),
    isClosed: () => nc.isClosed(),
  })
  await statuses.ready
  return statuses
}
