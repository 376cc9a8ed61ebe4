// For tests: a process that runs one partition and kills itself, as `kill -9` would, at a chosen write to the ledger.
// Arguments: broker URL, partition, the number of the write (0: never), `before` or `after` the broker has it.

import type { NatsConnection } from '@nats-io/transport-node'
import { connectTo, makeEngine, PlainWorker } from './engine-harness.js'

process.on('disconnect', () => process.exit(0)) // never outlives the test
const [url, partition, fatalWrite, when] = process.argv.slice(2)
const nc = await connectTo(url!)
let writes = 0

function dies(natsSubject: string, write: () => unknown): unknown {
  if (!natsSubject.startsWith('ledger.')) return write()
  writes += 1
  if (writes !== Number(fatalWrite)) return write()
  if (when === 'after') {
    const written = write()
    // The server has read it once it answers the ping of `flush`; the answer to the write itself is never seen.
    return nc.flush().then(() => {
      process.kill(process.pid, 'SIGKILL')
      return written
    })
  }
  process.kill(process.pid, 'SIGKILL')
  return undefined
}

const dying: NatsConnection = new Proxy(nc, {
  get(target, key) {
    const value: unknown = Reflect.get(target, key, target)
    if (key === 'publish' || key === 'request') {
      return (...args: [string, ...unknown[]]) =>
        dies(args[0], () => (value as (...all: unknown[]) => unknown).apply(target, args))
    }
    return typeof value === 'function' ? value.bind(target) : value
  },
})

const { engine } = await makeEngine(dying, Number(partition), {
  worker: new PlainWorker({ ballast: 50_000 }),
  engine: { lingerMs: 1, commitMaxEvents: 100, deltaChunkBytes: 60, snapshotCommits: 4 },
  onFatal: () => process.exit(1),
})
await engine.start()
process.send?.('running')
