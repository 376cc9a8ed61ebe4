// A state directory has one owner, its servers end with that owner, and refused starts have touched nothing.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { builtFile } from '../../../schemas/package-root.js'
import { environment } from '../../environment.js'
import { type Instance, readInstance } from '../../servers/instance.js'

const command = fileURLToPath(builtFile('pipeline/cli/weir.js'))
const generousMs = 240_000

let dataDir: string
let started: ChildProcess[] = []
let occupant: Server | undefined

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-owner-'))
})

afterEach(async () => {
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
  }
  started = []
  occupant?.close()
  occupant = undefined
  await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
}, generousMs)

interface Started {
  readonly child: ChildProcess
  /** What it prints. */
  readonly out: () => string
  readonly error: () => string
  readonly code: Promise<number | null>
}

function start(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Started {
  const { PATH, HOME, WEIR_NATS_SERVER } = environment()
  const child = spawn(process.execPath, [command, 'start', '--json', '--port', '0', ...args], {
    env: { PATH, HOME, WEIR_NATS_SERVER, WEIR_DATA_DIR: dataDir, WEIR_LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  const texts = { out: '', error: '' }
  child.stdout?.on('data', part => (texts.out += String(part)))
  child.stderr?.on('data', part => (texts.error += String(part)))
  const code = once(child, 'exit').then(([exit]) => exit as number | null)
  return { child, out: () => texts.out, error: () => texts.error, code }
}

async function running(one: Started): Promise<Instance> {
  while (!one.out().includes('\n')) {
    if (one.child.exitCode !== null) throw new Error(one.error())
    await sleep(20)
  }
  const instance = readInstance(dataDir)
  if (instance === undefined) throw new Error('it has not said where it is')
  return instance
}

/** A process that has ended, and that nobody has asked for its exit code yet, does not live. */
function lives(pid: number | undefined): boolean {
  if (pid === undefined || !existsSync(`/proc/${pid}/stat`)) return false
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false // it ended while it was looked at
  }
}

async function gone(...pids: (number | undefined)[]): Promise<void> {
  while (pids.some(lives)) await sleep(20)
}

function refusal(one: Started) {
  return (JSON.parse(one.out()) as { error: { code: string; detail: string; pid?: number; since?: string } })
    .error
}

test(
  'a second start says who owns the directory, touches nothing and ends with 1',
  async () => {
    const first = start()
    const { nats_pid, clickhouse_pid, pid } = await running(first)
    const files = ['weir.json', 'weir.lock', 'nats/nats-server.conf', 'clickhouse/clickhouse.pid']
    const before = files.map(file => statSync(join(dataDir, file)).mtimeMs)
    const others = [start(), start(['--port', '1'])]
    for (const other of others) {
      expect(await other.code).toBe(1)
      expect(refusal(other)).toMatchObject({ code: 'state_directory_in_use', pid })
      expect(other.error()).toContain(`process ${pid} since `)
    }
    expect(files.map(file => statSync(join(dataDir, file)).mtimeMs)).toEqual(before)
    expect([nats_pid, clickhouse_pid].map(lives)).toEqual([true, true])
    expect(readInstance(dataDir)?.nats_pid).toBe(nats_pid)
  },
  generousMs,
)

test(
  'of several that start at once one wins',
  async () => {
    const all = [start(), start(), start()]
    const first = await Promise.race(all.map(one => running(one).catch(() => new Promise<never>(() => {}))))
    const losers = all.filter(one => one.child.pid !== first.pid)
    for (const loser of losers) {
      expect(await loser.code).toBe(1)
      expect(refusal(loser).code).toBe('state_directory_in_use')
    }
    expect(lives(first.nats_pid)).toBe(true)
  },
  generousMs,
)

test(
  'kill -9 of the parent ends its servers, and frees the directory for the next start',
  async () => {
    const first = start()
    const { nats_pid, clickhouse_pid } = await running(first)
    first.child.kill('SIGKILL')
    await gone(nats_pid, clickhouse_pid)
    const second = start()
    const again = await running(second)
    expect(again.nats_pid).not.toBe(nats_pid)
    const told = JSON.parse(second.out()) as Record<string, unknown>
    expect(told['api_key_file']).toBe(join(dataDir, 'api-key'))
    expect(second.out()).not.toContain(again.api_key!)
  },
  generousMs,
)

test(
  'the first key is kept before the start is through: a crash in between does not lock everybody out',
  async () => {
    const first = start()
    const file = join(dataDir, 'api-key')
    while (!existsSync(file)) await sleep(1)
    first.child.kill('SIGKILL')
    await first.code
    const key = readFileSync(file, 'utf8')
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
    const { url, api_key } = await running(start())
    expect(api_key).toBe(key)
    const answer = await fetch(`${url}/v1/reconciliation`, { headers: { authorization: `Bearer ${key}` } })
    expect([401, 403]).not.toContain(answer.status)
  },
  generousMs,
)

test(
  'servers that stand still end too',
  async () => {
    const first = start()
    const { nats_pid, clickhouse_pid } = await running(first)
    for (const pid of [nats_pid!, clickhouse_pid!]) process.kill(pid, 'SIGSTOP')
    first.child.kill('SIGKILL')
    await gone(nats_pid, clickhouse_pid)
  },
  generousMs,
)

test(
  'a lock file that a dead process has left, with an id that another process bears now, is no owner',
  async () => {
    writeFileSync(
      join(dataDir, 'weir.lock'),
      JSON.stringify({ pid: process.pid, since: '2026-01-01T00:00:00.000Z' }),
    )
    const { pid } = await running(start())
    expect(JSON.parse(readFileSync(join(dataDir, 'weir.lock'), 'utf8'))).toMatchObject({ pid })
  },
  generousMs,
)

test(
  'servers that outlived a crash are ended by the next start; a stranger with their process id is not',
  async () => {
    const first = start()
    const { pid, nats_pid, clickhouse_pid } = await running(first)
    // Without its watchers nothing ends what a crash leaves.
    for (const watcher of watchersOf(pid)) process.kill(watcher, 'SIGKILL')
    process.kill(clickhouse_pid!, 'SIGSTOP') // its own watch is on the channel
    first.child.kill('SIGKILL')
    await first.code
    expect([nats_pid, clickhouse_pid].map(lives)).toEqual([true, true])
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
    try {
      writeFileSync(join(dataDir, 'nats', 'nats-server.pid'), `${stranger.pid}`)
      const again = await running(start())
      expect([nats_pid, clickhouse_pid].map(lives)).toEqual([false, false])
      expect(again.nats_pid).not.toBe(nats_pid)
      expect(lives(stranger.pid)).toBe(true)
    } finally {
      stranger.kill('SIGKILL')
    }
  },
  generousMs,
)

function watchersOf(parent: number): number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
  return children.filter(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('weir-watch'))
}

test(
  'a taken port is told before a server starts, by its setting',
  async () => {
    occupant = createServer()
    occupant.listen(0, '127.0.0.1')
    await once(occupant, 'listening')
    const { port } = occupant.address() as { port: number }
    for (const [setting, args, env] of [
      ['http.port', ['--port', String(port)], {}],
      ['nats.port', [], { WEIR_NATS_PORT: String(port) }],
      ['clickhouse.port', [], { WEIR_CLICKHOUSE_PORT: String(port) }],
    ] as const) {
      const one = start(args, env)
      expect(await one.code).toBe(1)
      expect(refusal(one)).toMatchObject({ code: 'port_in_use', setting, port })
      expect(one.error()).toContain(`${setting}: port ${port}`)
      expect(existsSync(join(dataDir, 'nats'))).toBe(false)
      expect(existsSync(join(dataDir, 'clickhouse'))).toBe(false)
    }
  },
  generousMs,
)
