// Connects to the broker: makes the client and its bulk transport, once, for all who work with the broker.

import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { BulkTransport } from './bulk-transport.js'
import { ClientTransport } from './client-transport.js'
import { failingWhenLost, watchConnection } from './connection-watch.js'
import { SocketTransport } from './socket-transport.js'

export interface BrokerConnection {
  /** Its requests fail as soon as the connection is lost. Closing it ends the bulk transport too. */
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
}

/** What bulk goes over: sockets of our own beside the client's connection, or that connection. */
export type BulkKind = 'sockets' | 'client'

export async function connectBroker(
  options: NodeConnectionOptions,
  bulkKind: BulkKind = 'sockets',
): Promise<BrokerConnection> {
  const client = await connect({ ...options })
  // The client drops for good a server that is down at the start; it may be needed when another server fails.
  if (Array.isArray(options.servers))
    client.setServers([...new Set([...options.servers, ...client.getServers().map(({ listen }) => listen)])])
  const watch = watchConnection(client)
  const bulk =
    bulkKind === 'client'
      ? new ClientTransport(client, watch)
      : new SocketTransport({ nc: client, watch, options })
  return { nc: failingWhenLost(client, watch), bulk }
}
