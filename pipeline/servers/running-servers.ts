// How a process beside a running Weir connects to that Weir's servers: by the settings where they name a server, else by
// what the running Weir wrote into its data directory.

import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { readLogin } from '../../deploy/embedded/passwords.js'
import type { ClickHouseConfig } from '../../sinks/clickhouse/config.js'
import type { WeirConfig } from '../config/config.js'
import { clickhouseFolder, natsFolder } from './embedded.js'
import { foreignBroker, foreignClickHouse } from './foreign-servers.js'
import { readInstance } from './instance.js'

export interface RunningServers {
  readonly nats: NatsLogin
  readonly clickhouse: ClickHouseConfig
}

/** Throws when neither says where a server is. */
export async function runningServers(config: WeirConfig): Promise<RunningServers> {
  const { nats, clickhouse, dataDir } = config
  const running = readInstance(dataDir)
  const urlOf = (setting: string, url: string | undefined): string => {
    if (url !== undefined) return url
    throw new Error(
      `Where the servers of the running Weir are is not known: no Weir was started on ${dataDir}. ` +
        `Name its directory with --data-dir, or its server in ${setting}.`,
    )
  }
  return {
    nats: nats.url === undefined ? brokerOf(urlOf('nats.url', running?.nats_url)) : await foreignBroker(nats),
    clickhouse:
      clickhouse.url === undefined
        ? databaseOf(urlOf('clickhouse.url', running?.clickhouse_url))
        : await foreignClickHouse(clickhouse),
  }

  function brokerOf(servers: string): NatsLogin {
    const { user, password: pass } = readLogin(natsFolder(dataDir), 'weir')
    return { servers, user, pass }
  }

  function databaseOf(url: string): ClickHouseConfig {
    const { user, password } = readLogin(clickhouseFolder(dataDir), 'weir')
    return {
      url,
      user: clickhouse.user ?? user,
      password: clickhouse.password ?? password,
      database: clickhouse.database,
    }
  }
}
