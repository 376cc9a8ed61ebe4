// The feature of gates: keeps the statuses of customers, and answers what they hold.

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
  async routes(parts) {
    const settings = sectionOf(parts.config, gatesSettings)
    const statuses = await watched(parts)
    return gateRoutes({ statuses, settings, gates: parts.gates, clickhouse: parts.queries, nowMs: Date.now })
  },
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
