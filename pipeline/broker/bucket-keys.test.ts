// The keys of a bucket, asked of a real broker without leaving a consumer behind.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { startNatsServer } from '../../deploy/embedded/nats-server.js'
import { bucketKeys } from './bucket-keys.js'

test('the keys of a bucket are told by filter, and asking a hundred times leaves no consumer behind', async () => {
  const storeDir = await mkdtemp(join(tmpdir(), 'weir-bucket-'))
  const server = await startNatsServer({ storeDir })
  const nc = await connect(server.login())
  try {
    const jsm = await jetstreamManager(nc)
    const kv = await new Kvm(nc).create('some')
    for (const key of ['run.b', 'run.a', 'ack.a.1', 'ack.a.2', 'ack.b.1']) await kv.put(key, 'x')
    await kv.put('run.a', 'y')
    for (let i = 0; i < 100; i += 1)
      expect(await bucketKeys(jsm, 'some', 'run.*')).toEqual(['run.a', 'run.b'])
    expect(await bucketKeys(jsm, 'some', 'ack.a.*')).toEqual(['ack.a.1', 'ack.a.2'])
    expect(await bucketKeys(jsm, 'some', 'nothing.*')).toEqual([])
    expect((await jsm.streams.info('KV_some')).state.consumer_count).toBe(0)
  } finally {
    await nc.close()
    await server.stop()
    await rm(storeDir, { recursive: true, force: true })
  }
})
