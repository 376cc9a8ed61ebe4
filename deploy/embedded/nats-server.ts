// Runs one nats-server with JetStream on loopback, every acknowledged message on disk.
// Owns: its process, its pid file, its passwords. Does not own: its configuration (nats-config.ts), streams
// (the pipeline declares them).
//
// Invariants:
// 1. Every user needs a password, and only Weir's own user sees all subjects (nats-config.ts).
// 2. One server per store directory: a stale one is stopped before the new one starts.
// 3. `startNatsServer` resolves only when JetStream answers.

import { spawn } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node'
import { findNatsServer } from './nats-binary.js'
import { type NatsUser, natsConfigText, natsUsers, type WebSocketListener } from './nats-config.js'
import {
  EndedEarly,
  endOrphans,
  endWithUs,
  exitOf,
  lastLines,
  type ProcessExit,
  type ProcessMark,
  processMark,
  stopProcess,
} from './owned-process.js'
import { closedFolder, keepPasswords, type Login } from './passwords.js'

const configName = 'nats-server.conf'
/** Deadline of a start; recovery of a large store takes time. */
const readyDeadlineMs = 120_000

export interface NatsServerOptions {
  /** Holds the JetStream store, the configuration, the log and the pid. Made if missing. */
  readonly storeDir: string
  /** Default: a free one, chosen by the server itself. */
  readonly port?: number | undefined
  /** Take clients over WebSocket too. Default: no. */
  readonly websocket?: WebSocketListener | undefined
  /** A nats-server to run. Default: found by `findNatsServer`. */
  readonly binary?: string | undefined
  /** Folders joined as in PATH, for `findNatsServer`. */
  readonly searchPath?: string | undefined
  /** Where a fetched binary is kept. Default: `.cache` beside package.json. */
  readonly cacheDir?: string | undefined
  /** Path of the server's log. Default: `nats-server.log` in the store directory. */
  readonly log?: string | undefined
  /** Receives one line when the binary has to be fetched. */
  readonly onNotice?: ((line: string) => void) | undefined
}

/** Options of a client's `connect`; plain data, so that it can be sent to another process. */
export interface NatsLogin
  extends Pick<NodeConnectionOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'tls'> {
  /** One URL, or the servers of a cluster. */
  readonly servers: string | string[]
}

export interface NatsServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  readonly pid: number
  readonly port: number
  /** The options with which a client connects: the address and the login of `user` (default `weir`). */
  login(user?: NatsUser): NatsLogin
  /** Settles when the process ends, whoever ended it. Never rejects. */
  readonly exited: Promise<ProcessExit>
  /** SIGTERM, then SIGKILL after a deadline. Idempotent. */
  stop(): Promise<void>
}

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const binary = await findNatsServer({
    explicit: options.binary,
    searchPath: options.searchPath,
    cacheDir: options.cacheDir,
    onNotice: options.onNotice,
  })
  const storeDir = resolve(options.storeDir)
  closedFolder(storeDir)
  const logins = keepPasswords(storeDir, natsUsers)
  const configFile = join(storeDir, configName)
  const pidFile = join(storeDir, 'nats-server.pid')
  const logFile = resolve(options.log ?? join(storeDir, 'nats-server.log'))
  const mark = natsMark(storeDir)
  await endOrphans(mark) // invariant 2
  const { websocket } = options
  const text = natsConfigText({ storeDir, logFile, port: options.port ?? -1, logins, websocket })
  await rm(configFile, { force: true }) // one that others can read would stay readable
  await writeFile(configFile, text, { mode: 0o600 })
  chmodSync(configFile, 0o600)

  // A process group of its own: Ctrl-C is ours to handle, and the broker must outlive the drain.
  const env = { ...mark.env, HOME: storeDir } // nothing of ours, which may hold passwords
  const child = spawn(binary, mark.args, { stdio: 'ignore', detached: true, env })
  const exited = exitOf(child)
  const pid = child.pid
  if (pid === undefined) throw new Error(`nats-server ${binary} could not be started`)
  endWithUs(child, pid)
  await writeFile(pidFile, `${pid}`)
  let ended: ProcessExit | undefined
  void exited.then(exit => {
    ended = exit
  })
  const portsFile = join(storeDir, `nats-server_${pid}.ports`)
  try {
    const port = await waitUntilReady(portsFile, logins.weir, () => ended)
    await rm(portsFile, { force: true })
    const url = `nats://127.0.0.1:${port}`
    const login = (user: NatsUser = 'weir'): NatsLogin => {
      return { servers: url, user: logins[user].user, pass: logins[user].password }
    }
    return { url, pid, port, login, exited, stop: () => stopProcess(child, exited) }
  } catch (cause) {
    await stopProcess(child, exited)
    throw new Error(`nats-server did not start in ${storeDir}:\n${await lastLines(logFile)}`, { cause })
  }
}

/** The mark that distinguishes the server of this store from every other process. */
export function natsMark(storeDir: string): ProcessMark {
  const store = resolve(storeDir)
  return processMark(store, ['--config', join(store, configName)])
}

/** The server writes the ports file once it listens; then JetStream is asked until it answers. */
async function waitUntilReady(
  portsFile: string,
  login: Login,
  ended: () => ProcessExit | undefined,
): Promise<number> {
  const deadline = Date.now() + readyDeadlineMs
  let cause: unknown
  for (;;) {
    const exit = ended()
    if (exit !== undefined) throw new EndedEarly(exit, { cause })
    if (Date.now() > deadline) throw new Error('it was not ready in time', { cause })
    try {
      const port = portOf(await readFile(portsFile, 'utf8'))
      await askJetStream(port, login)
      return port // invariant 3
    } catch (error) {
      cause = error
      await sleep(15)
    }
  }
}

function portOf(portsText: string): number {
  const url = /nats:\/\/[^"]*:(\d+)/.exec(portsText)
  if (url === null) throw new Error('the ports file names no client port')
  return Number(url[1])
}

async function askJetStream(port: number, { user, password: pass }: Login): Promise<void> {
  const options = { port, user, pass, reconnect: false, timeout: 5_000, maxReconnectAttempts: 0 }
  const connection = await connect(options)
  try {
    const manager = await jetstreamManager(connection, { timeout: 5_000 })
    await manager.getAccountInfo()
  } finally {
    await connection.close()
  }
}
