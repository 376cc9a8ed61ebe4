// Starts the embedded ClickHouse: a child process that owns one data directory and serves ClickHouse's HTTP
// interface on loopback. Its clients are plain ClickHouse clients; to use a real server, change the URL.
//
// Invariants:
// 1. One process per data directory: a stale one is stopped before the new one starts.
// 2. The child ends with its parent, however the parent ends.

import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, statfsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtFile } from '../../schemas/package-root.js'
import type { ChildReady, ChildStart } from './clickhouse/protocol.js'
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

export const clickhouseUsers = ['weir', 'analyst'] as const

const childPath = 'deploy/embedded/clickhouse/child.js'
const minFreeInMemory = 1 << 30

export interface EmbeddedClickhouseOptions {
  /** Holds the engine's files, the log and the pid. Made if missing. */
  readonly dataDir: string
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Of our own user. Default: `weir`, with a password that is kept in the data directory (passwords.ts). */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** The database that the analyst may read. Default `weir`. */
  readonly database?: string | undefined
  /** Memory of the engine, at least 1 GiB. Default: half of what the machine or the container has. */
  readonly maxMemoryBytes?: number | undefined
  /** Origins (`https://example.com`) whose web pages may send requests. Default: none. */
  readonly origins?: readonly string[] | undefined
  /** Path of the process's log. Default: `clickhouse.log` in the data directory. */
  readonly log?: string | undefined
}

export interface EmbeddedClickhouse {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  readonly pid: number
  readonly port: number
  /** Weir's own user, which may write. */
  readonly login: Login
  /** Reads `database` and the system tables, and nothing else. */
  readonly analyst: Login
  /** Settles when the process ends, whoever ended it. Never rejects. */
  readonly exited: Promise<ProcessExit>
  /** Lets running statements end, then stops; kills after a deadline. Idempotent. */
  stop(): Promise<void>
}

export async function startEmbeddedClickhouse(
  options: EmbeddedClickhouseOptions,
): Promise<EmbeddedClickhouse> {
  const dataDir = resolve(options.dataDir)
  closedFolder(dataDir)
  const kept = keepPasswords(dataDir, clickhouseUsers)
  const login = {
    user: options.user || kept.weir.user,
    password: options.password || kept.weir.password, // never an empty one
  }
  const childFile = fileURLToPath(builtFile(childPath))
  const pidFile = join(dataDir, 'clickhouse.pid')
  const logFile = resolve(options.log ?? join(dataDir, 'clickhouse.log'))
  await endOrphans(clickhouseMark(dataDir)) // invariant 1

  const log = openSync(logFile, 'a')
  const child = fork(childFile, [dataDir], {
    // Statements hold a libuv thread each. UTC, so that times without a zone mean the same on every machine.
    env: { UV_THREADPOOL_SIZE: '16', TZ: 'UTC', ...clickhouseMark(dataDir).env },
    execArgv: [],
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  })
  closeSync(log)
  const spoolDir = spoolFolder(dataDir)
  const exited = exitOf(child).then(async exit => {
    await rm(spoolDir, { recursive: true, force: true })
    return exit
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`${childFile} could not be started`)
  endWithUs(child, pid)
  await writeFile(pidFile, `${pid}`)
  try {
    const port = await handOver(child, exited, {
      dataDir,
      spoolDir,
      port: options.port ?? 0,
      database: options.database ?? 'weir',
      maxMemoryBytes: options.maxMemoryBytes,
      origins: options.origins ?? [],
      logins: [
        { role: 'weir', ...login },
        { role: 'analyst', ...kept.analyst },
      ],
    })
    const url = `http://127.0.0.1:${port}`
    const stop = () => stopProcess(child, exited)
    return { url, pid, port, login, analyst: kept.analyst, exited, stop }
  } catch (cause) {
    await stopProcess(child, exited)
    const log = await lastLines(logFile)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`the embedded ClickHouse did not start in ${dataDir}: ${reason}\n${log}`, { cause })
  }
}

/** The mark that distinguishes the server of this data directory from every other process. */
export function clickhouseMark(dataDir: string): ProcessMark {
  return processMark(resolve(dataDir), [fileURLToPath(builtFile(childPath)), resolve(dataDir)])
}

/** A memory folder if it has space for inserts (containers often have 64 MB), else one beside the data. */
export function spoolFolder(dataDir: string): string {
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  return hasRoom('/dev/shm') ? join('/dev/shm', `weir-clickhouse-${id}`) : join(dataDir, 'spool')
}

function hasRoom(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize >= minFreeInMemory
  } catch {
    return false
  }
}

/** Sends the settings and waits for the port. */
async function handOver(
  child: ChildProcess,
  exited: Promise<ProcessExit>,
  start: ChildStart,
): Promise<number> {
  const answered = new Promise<ChildReady>(resolveAnswer => {
    child.once('message', message => resolveAnswer(message as ChildReady))
  })
  const ended = exited.then((exit): never => {
    throw new EndedEarly(exit)
  })
  ended.catch(() => undefined)
  child.send(start)
  const answer = await Promise.race([answered, ended])
  if (answer.kind === 'failed') throw new Error(answer.reason)
  return answer.port
}
