// Real servers that freeze, and a real file system that runs full: the watch reports them, and they recover
// by themselves.

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureTopology } from '../broker/topology.js'
import { loadConfig } from '../config/config.js'
import { environment } from '../environment.js'
import { type Servers, startServers } from './embedded.js'

let dataDir: string
let servers: Servers | undefined
let mounted: string | undefined
const told: string[] = []

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-watch-'))
  told.length = 0
})

afterEach(async () => {
  await servers?.stop()
  servers = undefined
  if (mounted !== undefined) execFileSync('umount', ['-l', mounted])
  mounted = undefined
  await rm(dataDir, { recursive: true, force: true })
})

async function start(): Promise<Servers> {
  const env = { WEIR_NATS_SERVER: environment()['WEIR_NATS_SERVER'] }
  const loaded = loadConfig({ sections: [], env, flags: { data_dir: dataDir } })
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
  servers = await startServers(loaded.config, {
    searchPath: environment()['PATH'] ?? '',
    onNotice: () => {},
    onEnded: () => {},
    onTrouble: (_, detail) => told.push(detail),
  })
  return servers
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 50))
}

test('a frozen nats-server and a frozen ClickHouse are told, ended and started again', async () => {
  const all = await start()
  const before = all.pids()
  for (const pid of [before.nats!, before.clickhouse!]) process.kill(pid, 'SIGSTOP')
  await until(() => all.troubles().length === 2)
  const details = all.troubles().map(({ detail }) => detail)
  expect(details.join(' ')).toMatch(/nats-server does not answer/)
  expect(details.join(' ')).toMatch(/ClickHouse does not answer/)
  await until(() => all.pids().nats !== before.nats && all.pids().clickhouse !== before.clickhouse)
  await until(() => all.troubles().length === 0) // what is no longer true is not said
  const nc = await connect(all.nats)
  await ensureTopology(nc, { partitions: 2 })
  await nc.close()
  expect(await (await fetch(`${all.clickhouse.url}/ping`)).text()).toBe('Ok.\n')
})

test('a full disk is named, and once there is room the broker is started again and stores with nothing lost', async () => {
  mounted = join(dataDir, 'nats')
  mkdirSync(mounted, { recursive: true, mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'tmpfs', mounted])
  const all = await start()
  const nc = await connect({ ...all.nats, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  await ensureTopology(nc, { partitions: 2 })
  const js = jetstream(nc)
  const acknowledged: number[] = []
  const publish = async (): Promise<boolean> => {
    const ack = await js
      .publish('metering.0.test', Buffer.alloc(50_000, 1), { timeout: 500, retries: 1 })
      .catch(() => undefined)
    if (ack !== undefined) acknowledged.push(ack.seq)
    return ack !== undefined
  }
  expect(await publish()).toBe(true)
  const ballast = join(mounted, 'ballast')
  fill(ballast)
  await until(async () => !(await publish()))
  await until(() => all.troubles().length > 0)
  expect(all.troubles()[0]).toMatchObject({ server: 'nats-server' })
  expect(all.troubles()[0]!.detail).toContain('no space left on device')
  expect(all.troubles()[0]!.detail).toContain(mounted)
  const ill = all.pids().nats
  rmSync(ballast)
  await until(() => all.pids().nats !== ill)
  await until(publish)
  await until(() => all.troubles().length === 0)
  expect(told.join('\n')).toContain('no space left on device')
  const jsm = await js.jetstreamManager()
  const { state } = await jsm.streams.info('METERING')
  expect(state.messages).toBeGreaterThanOrEqual(acknowledged.length)
  for (const seq of acknowledged) {
    const stored = await jsm.streams.getMessage('METERING', { seq })
    expect(stored?.data.length).toBe(50_000)
  }
  await nc.close()
})

function fill(file: string): void {
  const block = Buffer.alloc(1 << 16)
  try {
    for (;;) writeFileSync(file, block, { flag: 'a' })
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
}
