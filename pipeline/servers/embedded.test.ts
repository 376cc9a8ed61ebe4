// The embedded servers as one: they come back where they were, and none is left behind when another cannot start.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig, type WeirConfig } from '../config/config.js'
import { environment } from '../environment.js'
import { type Servers, startServers } from './embedded.js'

let dataDir: string
let servers: Servers | undefined
let occupant: Server | undefined
const ended: string[] = []

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-embedded-'))
})

afterEach(async () => {
  await servers?.stop()
  servers = undefined
  occupant?.close()
  await rm(dataDir, { recursive: true, force: true })
})

function configOf(flags: Readonly<Record<string, unknown>> = {}): WeirConfig {
  const env = { WEIR_NATS_SERVER: environment()['WEIR_NATS_SERVER'] }
  const loaded = loadConfig({ sections: [], env, flags: { data_dir: dataDir, ...flags } })
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}

function start(config: WeirConfig): Promise<Servers> {
  const searchPath = environment()['PATH'] ?? ''
  return startServers(config, {
    searchPath,
    onNotice: () => {},
    onEnded: server => ended.push(server),
  })
}

test('a server that is killed runs again at the same address under another process id', async () => {
  servers = await start(configOf())
  const { nats, clickhouse } = servers
  const before = servers.pids()
  let restarts = 0
  const bothBack = new Promise<void>(resolve => {
    servers?.onRestart(() => {
      restarts += 1
      if (restarts === 2) resolve()
    })
  })
  for (const pid of [before.nats, before.clickhouse]) if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await bothBack
  expect(servers.nats).toEqual(nats)
  expect(await (await fetch(`${clickhouse.url}/ping`)).text()).toBe('Ok.\n')
  const after = servers.pids()
  expect(after.nats).not.toBe(before.nats)
  expect(after.clickhouse).not.toBe(before.clickhouse)
  expect(ended.sort()).toEqual(['ClickHouse', 'nats-server'])
})

test('when one server cannot start, the other is stopped', async () => {
  occupant = createServer()
  const port = await new Promise<number>(resolve => {
    occupant?.listen(0, '127.0.0.1', () => {
      const address = occupant?.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  await expect(start(configOf({ 'clickhouse.port': port }))).rejects.toThrow(/ClickHouse did not start/)
  const pid = Number(await readFile(join(dataDir, 'nats', 'nats-server.pid'), 'utf8'))
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
})

test('a server that is killed while it starts for the first time is started again', async () => {
  const killed: number[] = []
  const starting = start(configOf())
  for (const pidFile of ['nats/nats-server.pid', 'clickhouse/clickhouse.pid']) {
    const pid = await pidIn(join(dataDir, pidFile))
    process.kill(pid, 'SIGKILL')
    killed.push(pid)
  }
  servers = await starting
  expect(await (await fetch(`${servers.clickhouse.url}/ping`)).text()).toBe('Ok.\n')
  expect(killed).not.toContain(servers.pids().nats)
  expect(killed).not.toContain(servers.pids().clickhouse)
})

async function pidIn(pidFile: string): Promise<number> {
  for (;;) {
    const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
    if (pid > 1) return pid
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
