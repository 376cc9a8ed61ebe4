// Tests the embedded nats-server: acknowledged messages survive kills, and it ends with its parent.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deb822Entries, oneLineEntries } from './apt-sources.js'
import { findNatsServer, versionProblem } from './nats-binary.js'
import { type NatsServer, startNatsServer } from './nats-server.js'

let storeDir: string
let started: NatsServer[]

beforeEach(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-nats-'))
  started = []
})

afterEach(async () => {
  for (const server of started) await server.stop()
  await rm(storeDir, { recursive: true, force: true })
})

async function start(port?: number): Promise<NatsServer> {
  const server = await startNatsServer({ storeDir, port })
  started.push(server)
  return server
}

test('an acknowledged message survives kill -9 and a start on the same store and port', async () => {
  const first = await start()
  const connection = await connect({ ...first.login(), reconnect: false })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: 'KEPT', subjects: ['kept.>'] })
  const ack = await jetstream(connection).publish('kept.one', 'a message')
  expect(ack.seq).toBe(1)
  process.kill(first.pid, 'SIGKILL')
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
  await connection.close()

  const second = await start(first.port)
  expect(second.port).toBe(first.port)
  const again = await connect({ ...second.login(), reconnect: false })
  const stored = await (await jetstreamManager(again)).streams.getMessage('KEPT', { seq: 1 })
  expect(stored?.string()).toBe('a message')
  await again.close()
})

test('a start stops the stale server of the same store and leaves its messages', async () => {
  const first = await start()
  const connection = await connect({ ...first.login(), reconnect: false })
  await (await jetstreamManager(connection)).streams.add({ name: 'KEPT', subjects: ['kept.>'] })
  await connection.close()
  const second = await start()
  await first.exited
  const again = await connect({ ...second.login(), reconnect: false })
  const info = await (await jetstreamManager(again)).streams.info('KEPT')
  expect(info.config.name).toBe('KEPT')
  await again.close()
})

test('a message of 8 MB with headers is taken', async () => {
  const server = await start()
  const connection = await connect({ ...server.login(), reconnect: false })
  await (await jetstreamManager(connection)).streams.add({ name: 'LARGE', subjects: ['large'] })
  expect((await jetstream(connection).publish('large', new Uint8Array(8 << 20))).seq).toBe(1)
  await connection.close()
})

test('two servers at once take different ports', async () => {
  const other = await mkdtemp(join(tmpdir(), 'weir-nats-'))
  const [one, two] = await Promise.all([start(), startNatsServer({ storeDir: other })])
  expect(one.port).not.toBe(two.port)
  await two.stop()
  await rm(other, { recursive: true, force: true })
})

test('a taken port fails with what the server says', async () => {
  const first = await start()
  const other = await mkdtemp(join(tmpdir(), 'weir-nats-'))
  await expect(startNatsServer({ storeDir: other, port: first.port })).rejects.toThrow(
    /address already in use/,
  )
  await rm(other, { recursive: true, force: true })
})

test('a named binary that is unfit is an error and nothing else is tried', async () => {
  await expect(findNatsServer({ explicit: join(storeDir, 'nats-server') })).rejects.toThrow(/no executable/)
  await expect(findNatsServer({ explicit: '/bin/true' })).rejects.toThrow(/is no nats-server/)
})

test('versions before 2.12 are refused', () => {
  expect(versionProblem('nats-server: v2.15.1')).toBeNull()
  expect(versionProblem('nats-server: v2.12.0')).toBeNull()
  expect(versionProblem('3.0.0-1')).toBeNull()
  expect(versionProblem('nats-server: v2.9.10')).toContain('2.12 is needed')
  expect(versionProblem('(none)')).toContain('no version')
})

test('both source formats of apt are read', () => {
  expect(oneLineEntries('# c\ndeb [arch=amd64 signed-by=/k.gpg] http://m/debian trixie main\n')).toEqual([
    { uri: 'http://m/debian', suite: 'trixie', signedBy: '/k.gpg' },
  ])
  const text =
    'Types: deb deb-src\n# note\nURIs: http://m/debian\nSuites: trixie trixie-updates\nSigned-By: /k.gpg\n'
  expect(deb822Entries(`${text}\nTypes: deb\nEnabled: no\nURIs: http://n\nSuites: x\n`)).toEqual([
    { uri: 'http://m/debian', suite: 'trixie', signedBy: '/k.gpg' },
    { uri: 'http://m/debian', suite: 'trixie-updates', signedBy: '/k.gpg' },
  ])
})
