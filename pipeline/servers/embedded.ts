// Runs the embedded nats-server and ClickHouse of one data directory: starts them when no URL is configured,
// restarts them on the same port when they end by themselves, stops them with Weir.
// Invariant: everything that they acknowledged before they died is there after the restart; clients only
// reconnect.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  clickhouseMark,
  clickhouseUsers,
  startEmbeddedClickhouse,
} from '../../deploy/embedded/clickhouse-server.js'
import { natsUsers, type WebSocketListener } from '../../deploy/embedded/nats-config.js'
import { type NatsLogin, natsMark, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { EndedEarly, endOrphans } from '../../deploy/embedded/owned-process.js'
import { passwordFile } from '../../deploy/embedded/passwords.js'
import type { ClickHouseConfig } from '../../sinks/clickhouse/config.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { WeirConfig } from '../config/config.js'
import { foreignBroker, foreignClickHouse } from './foreign-servers.js'
import { probeHttp, probeNats, ServerWatch } from './server-watch.js'

export interface Servers {
  /** How Weir's own user connects, also to servers that Weir does not run. */
  readonly nats: NatsLogin
  readonly clickhouse: ClickHouseConfig
  /** Users of the embedded servers and the files that hold their passwords, for people who connect. */
  readonly logins: ServerLogins
  /** Process ids of the embedded servers that run now. */
  pids(): { readonly nats?: number; readonly clickhouse?: number }
  /** Calls back whenever a server that ended runs again. */
  onRestart(callback: () => void): void
  /** What is wrong with each embedded server, in words. */
  troubles(): readonly { readonly server: string; readonly detail: string }[]
  /** Stops ClickHouse first, since Weir writes to it last. */
  stop(): Promise<void>
}

/** User → path of the file with the password; empty for servers that Weir does not run. */
export interface ServerLogins {
  readonly nats: Readonly<Record<string, string>>
  readonly clickhouse: Readonly<Record<string, string>>
}

export interface ServerEvents {
  readonly searchPath: string
  readonly onNotice: (line: string) => void
  readonly onEnded: (server: string, detail: string) => void
  readonly onTrouble?: (server: string, detail: string) => void
}

interface EmbeddedServer {
  readonly pid: number
  readonly port: number
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  stop(): Promise<void>
}

/** How often a server may be killed while it starts for the first time, before the start is given up. */
const firstStarts = 5
const restartPause = { retryMinMs: 500, retryMaxMs: 15_000 }

export const natsFolder = (dataDir: string) => join(dataDir, 'nats')
export const clickhouseFolder = (dataDir: string) => join(dataDir, 'clickhouse')

/**
 * Ends servers that a crash has left running on this directory; to be called before anything else uses it.
 */
export async function endOrphanServers(dataDir: string): Promise<void> {
  await Promise.all([
    endOrphans(natsMark(natsFolder(dataDir))),
    endOrphans(clickhouseMark(clickhouseFolder(dataDir))),
  ])
}

export async function startServers(config: WeirConfig, events: ServerEvents): Promise<Servers> {
  const restarted: (() => void)[] = []
  const onRunning = (): void => {
    for (const callback of restarted) callback()
  }
  const { nats, clickhouse, dataDir } = config
  // First, since it may throw.
  const foreignNats = nats.url === undefined ? undefined : await foreignBroker(nats)
  const foreignDatabase = clickhouse.url === undefined ? undefined : await foreignClickHouse(clickhouse)
  // Both start at the same time: each takes a second or more, and neither needs the other.
  const [broker, database] = await allOrNone([
    nats.url === undefined
      ? keepRunning('nats-server', { ...events, onRunning }, nats.port, port =>
          startNatsServer({
            storeDir: natsFolder(dataDir),
            port,
            websocket: websocketOf(config),
            binary: nats.server,
            searchPath: events.searchPath,
            onNotice: events.onNotice,
          }),
        )
      : undefined,
    clickhouse.url === undefined
      ? keepRunning('ClickHouse', { ...events, onRunning }, clickhouse.port, port =>
          startEmbeddedClickhouse({
            dataDir: clickhouseFolder(dataDir),
            port,
            user: clickhouse.user,
            password: clickhouse.password,
            database: clickhouse.database,
            maxMemoryBytes: clickhouse.maxMemoryBytes,
            origins: clickhouse.origins,
          }),
        )
      : undefined,
  ])
  const watches = watchServers(config, events, broker, database)
  restarted.push(() => {
    for (const { watch } of watches) watch.restarted()
  })
  return {
    nats: broker?.current().login() ?? foreignNats!,
    clickhouse:
      database === undefined
        ? foreignDatabase!
        : { url: database.current().url, ...database.current().login, database: clickhouse.database },
    logins: {
      nats: broker === undefined ? {} : passwordFiles(natsFolder(dataDir), natsUsers),
      clickhouse: database === undefined ? {} : passwordFiles(clickhouseFolder(dataDir), clickhouseUsers),
    },
    pids: () => ({
      ...(broker === undefined ? {} : { nats: broker.current().pid }),
      ...(database === undefined ? {} : { clickhouse: database.current().pid }),
    }),
    onRestart: callback => restarted.push(callback),
    troubles: () =>
      watches.flatMap(({ server, watch }) => {
        const detail = watch.trouble
        return detail === undefined ? [] : [{ server, detail }]
      }),
    async stop() {
      for (const { watch } of watches) watch.stop()
      await database?.stop()
      await broker?.stop()
    },
  }
}

/** Undefined: the server has no listener for WebSocket. */
function websocketOf({ nats }: WeirConfig): WebSocketListener | undefined {
  const { websocketPort: port, websocketOrigins: origins } = nats
  return port === undefined ? undefined : { port, origins }
}

interface Watched {
  readonly server: string
  readonly watch: ServerWatch
}

function watchServers(
  { dataDir }: WeirConfig,
  events: ServerEvents,
  broker: Kept<EmbeddedServer> | undefined,
  database: Kept<EmbeddedServer & { readonly url: string }> | undefined,
): readonly Watched[] {
  const watch = (server: string, kept: Kept<EmbeddedServer>, folder: string, probe: () => Promise<void>) => ({
    server,
    watch: new ServerWatch({
      name: server,
      probe,
      folder,
      ...(server === 'nats-server' ? { logFile: join(folder, 'nats-server.log') } : {}),
      kill: () => kept.kill(),
      onTrouble: detail => events.onTrouble?.(server, detail),
    }),
  })
  const watched: Watched[] = []
  if (broker !== undefined) {
    const probe = () => probeNats(broker.current().port)
    watched.push(watch('nats-server', broker, natsFolder(dataDir), probe))
  }
  if (database !== undefined) {
    const probe = () => probeHttp(`${database.current().url}/ping`)
    watched.push(watch('ClickHouse', database, clickhouseFolder(dataDir), probe))
  }
  return watched
}

function passwordFiles(folder: string, users: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(users.map(user => [user, passwordFile(folder, user)]))
}

interface Kept<Server extends EmbeddedServer> {
  current(): Server
  /** Ends the process at once; nothing while it is being started again. */
  kill(): void
  stop(): Promise<void>
}

/** Waits for both; when one does not start, the other is stopped. */
async function allOrNone<First extends Stoppable, Second extends Stoppable>(
  starting: readonly [Promise<First> | undefined, Promise<Second> | undefined],
): Promise<readonly [First | undefined, Second | undefined]> {
  const settled = await Promise.allSettled(starting)
  const [first, second] = settled
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value]
  let reason: unknown
  for (const one of settled) {
    if (one.status === 'fulfilled') await one.value?.stop()
    else reason ??= one.reason
  }
  throw reason
}

interface Stoppable {
  stop(): Promise<void>
}

async function keepRunning<Server extends EmbeddedServer>(
  name: string,
  events: ServerEvents & { readonly onRunning: () => void },
  port: number | undefined,
  start: (port: number | undefined) => Promise<Server>,
): Promise<Kept<Server>> {
  let current = await startFirst(name, events, () => start(port))
  let isRunning = true
  const stopping = new AbortController()
  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { code, signal } = await current.exited
      isRunning = false
      for (let failures = 1; !stopping.signal.aborted; failures += 1) {
        events.onEnded(name, `ended with ${signal ?? `code ${code}`}`)
        try {
          current = await start(current.port)
          isRunning = true
          events.onRunning()
          break
        } catch (error) {
          events.onEnded(name, `did not start: ${(error as Error).message}`)
          await pauseFor(backOffMs(failures, restartPause), stopping.signal)
        }
      }
    }
  }
  const watching = watch()
  return {
    current: () => current,
    kill() {
      if (isRunning && !stopping.signal.aborted) process.kill(current.pid, 'SIGKILL')
    },
    async stop() {
      stopping.abort()
      await current.stop()
      await watching
      await current.stop() // one that was being started meanwhile
    },
  }
}

/** Restarts a server that is killed while it starts; one that ends by itself would only end again. */
async function startFirst<Server>(
  name: string,
  events: ServerEvents,
  start: () => Promise<Server>,
): Promise<Server> {
  for (let starts = 1; ; starts += 1) {
    try {
      return await start()
    } catch (error) {
      if (starts === firstStarts || !wasKilled(error)) throw error
      events.onEnded(name, (error as Error).message)
      await sleep(restartPause.retryMinMs)
    }
  }
}

function wasKilled(error: unknown): boolean {
  if (error instanceof EndedEarly && error.exit.signal !== null) return true
  return error instanceof Error && wasKilled(error.cause)
}
