// Runs one PostgreSQL on loopback in a fresh directory, with its settings as shipped: every commit is on disk when it is
// answered. It refuses to run as root, so as root it is run as `nobody`.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, type ClientConfig } from 'pg'
import { findPostgres, type PostgresPrograms } from './postgres-binary.js'

const run = promisify(execFile)
const startDeadlineMs = 60_000

export interface PostgresServer {
  readonly connection: ClientConfig
  readonly pid: number
  stop(): Promise<void>
}

/** `folder` must be reachable by everybody; it is made ours to hand over. */
export async function startPostgres(
  folder: string,
  onNotice: (line: string) => void,
): Promise<PostgresServer> {
  const programs = await findPostgres(onNotice)
  const identity = await otherThanRoot()
  const dataDir = join(folder, 'postgres')
  await mkdir(dataDir, { mode: 0o700 })
  if (identity !== undefined) {
    await chmod(folder, 0o755)
    await chown(dataDir, identity.uid, identity.gid)
  }
  const env = environmentOf(programs)
  const options = { cwd: dataDir, env, ...identity }
  const initdb = ['-D', dataDir, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C']
  await run(join(programs.binDir, 'initdb'), initdb, options)
  const port = await freePort()
  // Only where it listens is ours; fsync, synchronous_commit, buffers and checkpoints are as shipped.
  const args = [
    '-D',
    dataDir,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
  ]
  const child = spawn(join(programs.binDir, 'postgres'), args, {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const log: string[] = []
  child.stderr.on('data', (text: Buffer) => log.push(String(text)))
  const kill = (): unknown => child.kill('SIGQUIT')
  process.once('exit', kill)
  const connection = { host: '127.0.0.1', port, user: 'bench', database: 'postgres' }
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill)
    await stopped(child)
  }
  try {
    await answers(connection, child)
  } catch (cause) {
    await stop()
    throw new Error(`PostgreSQL did not start: ${log.join('').trim().split('\n').slice(-3).join(' / ')}`, {
      cause,
    })
  }
  return { connection, pid: child.pid ?? 0, stop }
}

function environmentOf({ libDir }: PostgresPrograms): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/bin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(libDir === undefined ? {} : { LD_LIBRARY_PATH: libDir }),
  }
}

/** Undefined when we are not root. */
async function otherThanRoot(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const nobody = /^nobody:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'))
  return { uid: Number(nobody?.[1] ?? 65_534), gid: Number(nobody?.[2] ?? 65_534) }
}

async function answers(connection: ClientConfig, child: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + startDeadlineMs; ; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    const client = new Client(connection)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

/** A fast shutdown: what is open is rolled back. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exited
  clearTimeout(timer)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
