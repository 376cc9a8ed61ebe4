// Connects to the broker: makes the client and its bulk transport, once, for all who work with the broker.

import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { BulkTransport } from './bulk-transport.js'
import { ClientTransport } from './client-transport.js'
import { failingWhenLost, watchConnection } from './connection-watch.js'

export interface BrokerConnection {
  /** Its requests fail as soon as the connection is lost. Closing it ends the bulk transport too. */
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
}

export async function connectBroker(options: NodeConnectionOptions): Promise<BrokerConnection> {
  const client = await connect({ ...options })
  // The client drops for good a server that is down at the start; it may be needed when another server fails.
  if (Array.isArray(options.servers))
    client.setServers([...new Set([...options.servers, ...client.getServers().map(({ listen }) => listen)])])
  const watch = watchConnection(client)
  return { nc: failingWhenLost(client, watch), bulk: new ClientTransport(client, watch) }
}
