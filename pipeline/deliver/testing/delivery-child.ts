// For tests: a process that delivers the connection `c` to a receiver without idempotency, which keeps a document twice that is sent
// twice. `WEIR_TEST_LOGIN`: how to connect. Arguments: the receiver's URL. It tells its parent each new state of its feed.

import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import type { NatsLogin } from '../../../deploy/embedded/nats-server.js'
import type { Connector, ConnectorRecord, PutOutcome } from '../../../sinks/connector.js'
import { notReached, unknownYet } from '../../../sinks/http/outcome.js'
import { type HttpAnswer, send } from '../../../sinks/http/request.js'
import { pauseFor } from '../../broker/back-off.js'
import { connectTo } from '../../testing/engine-harness.js'
import { ConnectionLoop } from '../connection-loop.js'
import { Deliverer } from '../deliverer.js'
import { openDeliveryLog } from '../delivery-log.js'
import { listSetAside, markTaken, setAside, takeBack } from '../refused-records.js'
import { freeFeed, freeGate } from './flow-gates.js'

process.on('disconnect', () => process.exit(0)) // never outlives the test
const [url] = process.argv.slice(2)
const { nc, bulk } = await connectTo(JSON.parse(process.env['WEIR_TEST_LOGIN']!) as NatsLogin)
const [js, jsm] = [jetstream(nc), await jetstreamManager(nc)]
const kv = await new Kvm(js).open('weir_sinks')
const key = 'connection.c'

const ask = (method: 'GET' | 'POST', path: string, signal: AbortSignal): Promise<HttpAnswer> =>
  send({ method, url: `${url}${path}`, headers: {} }, 60_000, signal)

const connector: Connector = {
  pageSize: 4,
  attemptMs: 1_000,
  settlesWithinMs: 100,
  check: async () => ({ kind: 'ready' }),
  put: (records, signal) => Promise.all(records.map(record => putOne(record, signal))),
  async find(record, signal) {
    const answer = await ask('GET', `/documents/${record.key}`, signal)
    if (answer.kind === 'answer' && answer.status === 404) return { kind: 'absent' }
    const outcome = notReached(answer, text => text, Date.now())
    return outcome === undefined
      ? { kind: 'there', externalId: record.key, state: 'posted' }
      : unknownYet(outcome)
  },
}

/** Before it writes it asks for something, as others do for a token. */
async function putOne(record: ConnectorRecord, signal: AbortSignal): Promise<PutOutcome> {
  await ask('GET', `/before/${record.key}`, new AbortController().signal)
  const answer = await ask('POST', `/documents/${record.key}`, signal)
  return notReached(answer, text => text, Date.now()) ?? { kind: 'accepted', externalId: record.key }
}

const loop = new ConnectionLoop({
  connection: 'c',
  connector,
  log: openDeliveryLog({ bulk, js, jsm, connection: 'c', timeoutMs: 5_000 }),
  exceptions: {
    list: () => listSetAside(kv, key),
    setAside: records => setAside(kv, key, 'POSTINGS', records),
    markTaken: ({ name }) => markTaken(kv, key, name),
    takeBack: ({ name }) => takeBack(kv, { feed: key, name }),
  },
  clock: { nowMs: Date.now, pause: pauseFor },
  gate: freeGate,
  recordsOf: ({ bytes }) => ({ records: [JSON.parse(new TextDecoder().decode(bytes)) as ConnectorRecord] }),
  limits: { lookupMs: 50, retryMinMs: 50, retryMaxMs: 200 },
})
const deliverer = new Deliverer({
  key,
  sink: loop,
  kv,
  js,
  jsm,
  stream: 'POSTINGS',
  filterSubjects: ['postings.>'],
  gate: freeFeed,
  limits: { leaseMs: 800 },
  onChange: ({ state }) => process.send?.(state),
})
deliverer.start()
process.once('message', () => void deliverer.close().then(() => process.exit(0)))
