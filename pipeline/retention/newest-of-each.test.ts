// Of WRITE_BACK goes what every connection has taken in and a newer message of its subject has replaced; the newest of each stays,
// and whoever begins after a purge begins with it.

import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { Told } from '../connections/write-back/told.js'
import { Deliverer } from '../deliver/deliverer.js'
import { encodeRecord, type Intent } from '../deliver/delivery-record.js'
import { freeFeed } from '../deliver/testing/flow-gates.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { retain, type StreamRetention } from './retention.js'

const stream = 'WRITE_BACK'
const connections = ['connection.crm', 'connection.support'] as const
const feeds = connections.map(key => ({ key, stream, filterSubjects: ['write_back.>'] }) as const)
let broker: Broker
let js: JetStreamClient
let sinks: KV
let created: string

beforeAll(async () => {
  broker = await startBroker(1)
  js = jetstream(broker.nc)
  sinks = await new Kvm(js).open('weir_sinks')
  created = String((await broker.jsm.streams.info(stream)).created)
})

afterAll(() => broker.stop())

const tell = (subject: string, word: string) => js.publish(`write_back.${subject}`, JSON.stringify({ word }))

async function stands(key: string, position: number, intent: Intent | null = null): Promise<void> {
  await sinks.put(key, encodeRecord({ position, intent, owner: '', streamCreated: created }))
}

async function ofWriteBack(apply: boolean, keepDays = 0): Promise<StreamRetention> {
  const nowMs = Date.now() + 1_000
  const report = await retain({ jsm: broker.jsm, sinks, feeds, keepDays, nowMs, apply })
  return report.streams.find(one => one.stream === stream)!
}

async function kept(): Promise<readonly number[]> {
  const { state } = await broker.jsm.streams.info(stream)
  const found: number[] = []
  for (let seq = 1; seq <= state.last_seq; seq += 1)
    if ((await broker.jsm.streams.getMessage(stream, { seq })) !== null) found.push(seq)
  return found
}

class Texts implements Sink {
  readonly name = 'texts'
  readonly sequences: number[] = []
  async apply({ messages }: FeedRange): Promise<SinkOutcome> {
    this.sequences.push(...messages.map(one => one.sequence))
    return { kind: 'ok', rows: 0 }
  }
}

test('what no connection needs goes but for the newest of each, and a connection that begins later is told of all', async () => {
  for (let day = 1; day <= 3; day += 1)
    for (const customer of ['acme', 'bolt']) await tell(`standing.de.${customer}`, `day ${day}`) // 1 to 6
  await tell('case.exc_1', 'open') // 7
  await tell('case.exc_1', 'settled') // 8
  await tell('standing.de.acme', 'day 4') // 9
  await stands('connection.crm', 9)
  expect((await ofWriteBack(true)).safe).toMatchObject([{ before: 1, held_by: 'sink connection.support' }])
  await stands('connection.support', 7)
  expect((await ofWriteBack(true, 1)).safe).toMatchObject([{ before: 1, held_by: '--keep-days 1' }])
  expect((await ofWriteBack(false)).safe).toMatchObject([{ before: 8, purged: null }])
  await stands('connection.gone', 2, { from: 3, to: 5, token: 't' }) // not in the configuration: its range is read again as it was
  expect((await ofWriteBack(true)).safe).toMatchObject([
    { before: 3, held_by: 'sink connection.gone', purged: 2 },
  ])
  await stands('connection.gone', 5)
  expect((await ofWriteBack(true)).safe).toMatchObject([{ before: 8, purged: 4 }])
  expect(await kept()).toEqual([6, 8, 9])
  const sink = new Texts()
  const shared = { js, jsm: broker.jsm, kv: sinks, gate: freeFeed, filterSubjects: ['write_back.>'] }
  const later = new Deliverer({ ...shared, stream, key: 'connection.later', sink })
  later.start()
  await until(() => sink.sequences.length === 3 || later.status().state === 'failed')
  expect([later.status().trouble, sink.sequences]).toEqual([undefined, [6, 8, 9]])
  await later.close()
})

test('what was told last is known after a purge, and is told on top of', async () => {
  const told = new Told(js, broker.jsm)
  await told.read(new AbortController().signal)
  expect(told.get('write_back.standing.de.acme')).toMatchObject({ sequence: 9 })
  expect(await told.tell('write_back.standing.de.acme', 'f', { word: 'day 5' })).toBe(true)
})
