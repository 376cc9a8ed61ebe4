// Our connection to the broker: the client, and what is made once with it and handed to whoever works with the broker.

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
  // A server that was down when we began is dropped by the client for good, and would be missed when another one dies.
  if (Array.isArray(options.servers))
    client.setServers([...new Set([...options.servers, ...client.getServers().map(({ listen }) => listen)])])
  const watch = watchConnection(client)
  return { nc: failingWhenLost(client, watch), bulk: new ClientTransport(client, watch) }
}
