// What a command gets that computes in its own process beside the running Weir: connections to that Weir's servers, and
// shadows of its partitions by this build. Everything ends with the work.

import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { connectBroker } from '../broker/connect-broker.js'
import type { WeirConfig } from '../config/config.js'
import type { PartsBeside } from '../feature/command-line.js'
import { feedsOf } from '../feature/feature.js'
import { features } from '../features.js'
import { openShadows } from '../roles.js'
import { runningServers } from '../servers/running-servers.js'

export async function beside<T>(config: WeirConfig, work: (parts: PartsBeside) => Promise<T>): Promise<T> {
  const servers = await runningServers(config)
  const patience = { maxReconnectAttempts: 20, reconnectTimeWait: 250, name: 'weir beside' }
  const { nc, bulk } = await connectBroker({ ...servers.nats, ...patience }, config.nats.bulk)
  const queries = openClickHouse(servers.clickhouse)
  try {
    const jsm = await jetstreamManager(nc)
    const sinks = await new Kvm(nc).open('weir_sinks')
    const feeds = feedsOf(features, config)
    const shadows = openShadows(features, { nc, jsm, bulk, sinks, config, queries, feeds })
    return await work({ config, jsm, queries, shadows })
  } finally {
    await queries.close()
    await nc.close()
  }
}
