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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { builtFile } from '../../../schemas/package-root.js'
import { environment } from '../../environment.js'
import { type Instance, readInstance } from '../../servers/instance.js'

const command = fileURLToPath(builtFile('pipeline/cli/weir.js'))
const generousMs = 240_000

let dataDir: string
let started: ChildProcess[] = []
let occupant: Server | undefined

async function begin(): Promise<void> {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-owner-'))
}

async function end(): Promise<void> {
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
}

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

describe('one directory, from owner to owner', () => {
  beforeAll(begin)
  afterAll(end, generousMs)

  let owner: Started
  let servers: readonly (number | undefined)[]

  async function own(one: Started): Promise<Instance> {
    const instance = await running(one)
    owner = one
    servers = [instance.nats_pid, instance.clickhouse_pid]
    return instance
  }

  test(
    'of several that start at once one wins',
    async () => {
      const all = [start(), start(), start()]
      const first = await Promise.race(all.map(one => running(one).catch(() => new Promise<never>(() => {}))))
      for (const loser of all.filter(one => one.child.pid !== first.pid)) {
        expect(await loser.code).toBe(1)
        expect(refusal(loser).code).toBe('state_directory_in_use')
      }
      await own(all.find(one => one.child.pid === first.pid)!)
      expect(servers.map(lives)).toEqual([true, true])
    },
    generousMs,
  )

  test(
    'a second start says who owns the directory, touches nothing and ends with 1',
    async () => {
      const files = ['weir.json', 'weir.lock', 'nats/nats-server.conf', 'clickhouse/clickhouse.pid']
      const before = files.map(file => statSync(join(dataDir, file)).mtimeMs)
      const { pid } = owner.child
      const other = start(['--port', '1'])
      expect(await other.code).toBe(1)
      expect(refusal(other)).toMatchObject({ code: 'state_directory_in_use', pid })
      expect(other.error()).toContain(`process ${pid} since `)
      expect(files.map(file => statSync(join(dataDir, file)).mtimeMs)).toEqual(before)
      expect(servers.map(lives)).toEqual([true, true])
      expect(readInstance(dataDir)?.nats_pid).toBe(servers[0])
    },
    generousMs,
  )

  test(
    'kill -9 of the parent ends its servers, even those that stand still, and frees the directory for the next start',
    async () => {
      const before = servers
      for (const pid of before) process.kill(pid!, 'SIGSTOP')
      owner.child.kill('SIGKILL')
      await gone(...before)
      const second = start()
      const again = await own(second)
      expect(again.nats_pid).not.toBe(before[0])
      const told = JSON.parse(second.out()) as Record<string, unknown>
      expect(told['api_key_file']).toBe(join(dataDir, 'api-key'))
      expect(second.out()).not.toContain(again.api_key!)
    },
    generousMs,
  )

  test(
    'servers that outlived a crash are ended by the next start; a stranger with their process id is not',
    async () => {
      const before = servers
      // Without its watchers nothing ends what a crash leaves.
      for (const watcher of watchersOf(owner.child.pid!)) process.kill(watcher, 'SIGKILL')
      process.kill(before[1]!, 'SIGSTOP') // its own watch is on the channel
      owner.child.kill('SIGKILL')
      await owner.code
      expect(before.map(lives)).toEqual([true, true])
      const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
      try {
        writeFileSync(join(dataDir, 'nats', 'nats-server.pid'), `${stranger.pid}`)
        const again = await own(start())
        expect(before.map(lives)).toEqual([false, false])
        expect(again.nats_pid).not.toBe(before[0])
        expect(lives(stranger.pid)).toBe(true)
      } finally {
        stranger.kill('SIGKILL')
      }
    },
    generousMs,
  )

  test(
    'kill -9 of the parent ends servers that do their work',
    async () => {
      owner.child.kill('SIGKILL')
      await gone(...servers)
    },
    generousMs,
  )
})

describe('a start', () => {
  beforeEach(begin)
  afterEach(end, generousMs)

  test(
    'keeps the first key before it is through, and takes a directory whose dead owner has the id of a process that lives',
    async () => {
      const first = start()
      const file = join(dataDir, 'api-key')
      while (!existsSync(file)) await sleep(1)
      first.child.kill('SIGKILL')
      await first.code
      const key = readFileSync(file, 'utf8')
      expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
      const lock = join(dataDir, 'weir.lock')
      writeFileSync(lock, JSON.stringify({ pid: process.pid, since: '2026-01-01T00:00:00.000Z' }))
      const { url, api_key, pid } = await running(start())
      expect(api_key).toBe(key)
      const answer = await fetch(`${url}/v1/reconciliation`, { headers: { authorization: `Bearer ${key}` } })
      expect([401, 403]).not.toContain(answer.status)
      expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid })
    },
    generousMs,
  )

  test(
    'tells of a taken port before a server starts, by its setting',
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
})

function watchersOf(parent: number): number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
  return children.filter(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('weir-watch'))
}
