// Connects a command to the broker, whether Weir runs or not: to a configured server, to the running embedded
// one, or to an embedded one that is started for the duration of the command.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type NatsLogin, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { readLogin } from '../../deploy/embedded/passwords.js'
import type { WeirConfig } from '../config/config.js'
import { natsFolder } from './embedded.js'
import { foreignBroker } from './foreign-servers.js'
import { StartProblem } from './start-problem.js'
import { ownStateDirectory } from './state-directory.js'

export interface BrokerAccessOptions {
  readonly config: WeirConfig
  /** The broker's URL of the Weir that was started on the data directory. */
  readonly runningUrl: string | undefined
  readonly searchPath: string
  readonly onNotice: (line: string) => void
}

/** Calls `work` with a connection, and leaves everything as it was found. */
export async function withBroker<T>(
  options: BrokerAccessOptions,
  work: (nc: NatsConnection) => Promise<T>,
): Promise<T> {
  const { nats, dataDir } = options.config
  if (nats.url !== undefined) return connected(await foreignBroker(nats), work)
  const directory = tryToOwn(dataDir)
  if (directory === undefined) {
    const { user, password } = readLogin(natsFolder(dataDir), 'weir')
    return connected({ servers: options.runningUrl ?? '', user, pass: password }, work)
  }
  try {
    const server = await startNatsServer({
      storeDir: natsFolder(dataDir),
      port: nats.port,
      binary: nats.server,
      searchPath: options.searchPath,
      onNotice: options.onNotice,
    })
    try {
      return await connected(server.login(), work)
    } finally {
      await server.stop()
    }
  } finally {
    directory.release()
  }
}

async function connected<T>(login: NatsLogin, work: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const nc = await connect({ ...login, maxReconnectAttempts: 3 })
  try {
    return await work(nc)
  } finally {
    await nc.close()
  }
}

/** Undefined: a running Weir owns the directory. */
function tryToOwn(dataDir: string) {
  try {
    return ownStateDirectory(dataDir)
  } catch (error) {
    if (error instanceof StartProblem && error.code === 'state_directory_in_use') return undefined
    throw error
  }
}
