// The embedded nats-server and ClickHouse of one data directory: started when no URL is configured, started again on the
// same port when they end by themselves, stopped with us.
// Invariant: whatever they acknowledged before they died is there when they are back; clients just reconnect.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbeddedClickhouse } from '../deploy/embedded/clickhouse-server.js'
import { startNatsServer } from '../deploy/embedded/nats-server.js'
import type { WeirConfig } from './config.js'

export interface Servers {
  readonly natsUrl: string
  readonly clickhouseUrl: string
  /** Process ids of what runs embedded now. */
  pids(): { readonly nats?: number; readonly clickhouse?: number }
  /** Calls back whenever a server that ended runs again. */
  onRestart(callback: () => void): void
  /** ClickHouse first: it is the last to be written to. */
  stop(): Promise<void>
}

export interface ServerEvents {
  readonly searchPath: string
  readonly onNotice: (line: string) => void
  readonly onEnded: (server: string, detail: string) => void
}

interface EmbeddedServer {
  readonly url: string
  readonly pid: number
  readonly port: number
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  stop(): Promise<void>
}

/** How often a server may be killed while it starts for the first time, before the start is given up. */
const firstStarts = 5
const restartPauseMs = 500
const restartPauseMaxMs = 15_000

export async function startServers(config: WeirConfig, events: ServerEvents): Promise<Servers> {
  const restarted: (() => void)[] = []
  const onRunning = (): void => {
    for (const callback of restarted) callback()
  }
  const { nats, clickhouse, dataDir } = config
  // Side by side: each takes a second or more, and neither needs the other.
  const [broker, database] = await allOrNone([
    nats.url === undefined
      ? keepRunning('nats-server', { ...events, onRunning }, nats.port, port =>
          startNatsServer({
            storeDir: join(dataDir, 'nats'),
            port,
            binary: nats.server,
            searchPath: events.searchPath,
            onNotice: events.onNotice,
          }),
        )
      : undefined,
    clickhouse.url === undefined
      ? keepRunning('ClickHouse', { ...events, onRunning }, clickhouse.port, port =>
          startEmbeddedClickhouse({
            dataDir: join(dataDir, 'clickhouse'),
            port,
            user: clickhouse.user,
            password: clickhouse.password,
          }),
        )
      : undefined,
  ])
  return {
    natsUrl: nats.url ?? broker?.current().url ?? '',
    clickhouseUrl: clickhouse.url ?? database?.current().url ?? '',
    pids: () => ({
      ...(broker === undefined ? {} : { nats: broker.current().pid }),
      ...(database === undefined ? {} : { clickhouse: database.current().pid }),
    }),
    onRestart: callback => restarted.push(callback),
    async stop() {
      await database?.stop()
      await broker?.stop()
    },
  }
}

interface Kept {
  current(): EmbeddedServer
  stop(): Promise<void>
}

/** Waits for both; when one does not start, the other is stopped. */
async function allOrNone(
  starting: readonly [Promise<Kept> | undefined, Promise<Kept> | undefined],
): Promise<readonly [Kept | undefined, Kept | undefined]> {
  const settled = await Promise.allSettled(starting)
  const failed = settled.find(one => one.status === 'rejected')
  const [first, second] = settled.map(one => (one.status === 'fulfilled' ? one.value : undefined))
  if (failed === undefined) return [first, second]
  await Promise.all([first?.stop(), second?.stop()])
  throw failed.reason
}

async function keepRunning(
  name: string,
  events: ServerEvents & { readonly onRunning: () => void },
  port: number | undefined,
  start: (port: number | undefined) => Promise<EmbeddedServer>,
): Promise<Kept> {
  let current = await startFirst(name, events, () => start(port))
  const stopping = new AbortController()
  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { code, signal } = await current.exited
      for (
        let pauseMs = restartPauseMs;
        !stopping.signal.aborted;
        pauseMs = Math.min(2 * pauseMs, restartPauseMaxMs)
      ) {
        events.onEnded(name, `ended with ${signal ?? `code ${code}`}`)
        try {
          current = await start(current.port)
          events.onRunning()
          break
        } catch (error) {
          events.onEnded(name, `did not start: ${(error as Error).message}`)
          await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
        }
      }
    }
  }
  const watching = watch()
  return {
    current: () => current,
    async stop() {
      stopping.abort()
      await current.stop()
      await watching
      await current.stop() // one that was being started meanwhile
    },
  }
}

/** A server that is killed under way is started again; one that ends by itself has a reason that will not go away. */
async function startFirst(
  name: string,
  events: ServerEvents,
  start: () => Promise<EmbeddedServer>,
): Promise<EmbeddedServer> {
  for (let starts = 1; ; starts += 1) {
    try {
      return await start()
    } catch (error) {
      if (starts === firstStarts || !wasKilled(error)) throw error
      events.onEnded(name, (error as Error).message)
      await sleep(restartPauseMs)
    }
  }
}

/** By what both servers say of a process that ended before it was ready: `it ended with <signal or code>`. */
function wasKilled(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return /\bended with SIG[A-Z]+/.test(error.message) || wasKilled(error.cause)
}
