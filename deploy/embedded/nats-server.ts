// Runs one nats-server with JetStream on loopback, every acknowledged message on disk.
// Owns: its configuration, its process, its pid file. Does not own: streams (the pipeline declares them).
//
// Invariants:
// 1. I1: `sync_interval: always`, so an acknowledgement means that the bytes have reached the disk.
// 2. One server per store directory: a stale one is stopped before the new one starts.
// 3. `startNatsServer` resolves only when JetStream answers.

import { spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { findNatsServer } from './nats-binary.js'
import { endWithUs, exitOf, type ProcessExit, stopProcess, stopStaleProcess } from './owned-process.js'

/** 8 MB of events, with room for headers and the subject. */
const maxPayloadBytes = 9 << 20
/** Recovery of a large store takes time; a start is given up only after this. */
const readyDeadlineMs = 120_000

export interface NatsServerOptions {
  /** Holds the JetStream store, the configuration, the log and the pid. Made if missing. */
  readonly storeDir: string
  /** Default: a free one, chosen by the server itself. */
  readonly port?: number | undefined
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

export interface NatsServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  readonly pid: number
  readonly port: number
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
  await mkdir(storeDir, { recursive: true })
  const configFile = join(storeDir, 'nats-server.conf')
  const pidFile = join(storeDir, 'nats-server.pid')
  const logFile = resolve(options.log ?? join(storeDir, 'nats-server.log'))
  await stopStaleProcess(pidFile, ['nats-server', configFile]) // invariant 2
  await writeFile(configFile, configText(storeDir, logFile, options.port ?? -1))

  // A process group of its own: Ctrl-C is ours to handle, and the broker must outlive the drain.
  const child = spawn(binary, ['--config', configFile], { stdio: 'ignore', detached: true })
  const exited = exitOf(child)
  const pid = child.pid
  if (pid === undefined) throw new Error(`nats-server ${binary} could not be started`)
  endWithUs(child)
  await writeFile(pidFile, `${pid}`)
  let ended: ProcessExit | undefined
  void exited.then(exit => {
    ended = exit
  })
  const portsFile = join(storeDir, `nats-server_${pid}.ports`)
  try {
    const port = await waitUntilReady(portsFile, () => ended)
    await rm(portsFile, { force: true })
    const url = `nats://127.0.0.1:${port}`
    return { url, pid, port, exited, stop: () => stopProcess(child, exited) }
  } catch (cause) {
    await stopProcess(child, exited)
    const log = await readFile(logFile, 'utf8').catch(() => '')
    const tail = log.trim().split('\n').slice(-5).join('\n')
    throw new Error(`nats-server did not start in ${storeDir}:\n${tail}`, { cause })
  }
}

function configText(storeDir: string, logFile: string, port: number): string {
  const quote = (text: string) => JSON.stringify(text)
  return [
    'host: "127.0.0.1"',
    `port: ${port}`,
    `ports_file_dir: ${quote(storeDir)}`,
    `max_payload: ${maxPayloadBytes}`,
    `log_file: ${quote(logFile)}`,
    'logfile_size_limit: 16MB',
    'jetstream {',
    `  store_dir: ${quote(storeDir)}`,
    '  sync_interval: always', // invariant 1
    // The disk is the limit; without this the server allows itself three quarters of what is free at its start.
    '  max_file_store: 16TB',
    '  max_memory_store: 1GB',
    '}',
    '',
  ].join('\n')
}

/** The server writes the ports file once it listens; then JetStream is asked until it answers. */
async function waitUntilReady(portsFile: string, ended: () => ProcessExit | undefined): Promise<number> {
  const deadline = Date.now() + readyDeadlineMs
  let cause: unknown
  for (;;) {
    const exit = ended()
    if (exit !== undefined)
      throw new Error(`it ended with ${exit.code ?? exit.signal ?? 'an error'}`, { cause })
    if (Date.now() > deadline) throw new Error('it was not ready in time', { cause })
    try {
      const port = portOf(await readFile(portsFile, 'utf8'))
      await askJetStream(port)
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

async function askJetStream(port: number): Promise<void> {
  const connection = await connect({ port, reconnect: false, timeout: 5_000, maxReconnectAttempts: 0 })
  try {
    const manager = await jetstreamManager(connection, { timeout: 5_000 })
    await manager.getAccountInfo()
  } finally {
    await connection.close()
  }
}
