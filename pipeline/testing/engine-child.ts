// For tests: a process that runs one partition and kills itself, as `kill -9` would, at a chosen write to the
// ledger. `WEIR_TEST_LOGIN`: how to connect. Arguments: partition; the number of the write (0: never);
// whether to die `before` or `after` the broker has it.

import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { connectTo, makeEngine, PlainWorker } from './engine-harness.js'
import { lossyProxy } from './lossy-proxy.js'

process.on('disconnect', () => process.exit(0)) // never outlives the test
const [partition, fatalWrite, when] = process.argv.slice(2)
const login = JSON.parse(process.env['WEIR_TEST_LOGIN']!) as NatsLogin
let writes = 0

function isFatal(natsSubject: string): boolean {
  if (!natsSubject.startsWith('ledger.')) return false
  writes += 1
  return writes === Number(fatalWrite)
}

const die = () => process.kill(process.pid, 'SIGKILL')

const proxy = await lossyProxy(Number(new URL(login.servers).port), {
  sent: message => {
    if (!isFatal(message.split(' ')[1]!)) return 'passes'
    return when === 'after' ? 'cut_after' : 'cut_before'
  },
  onCut: die,
})
const broker = await connectTo({ ...login, servers: proxy.servers })

const { engine } = await makeEngine(broker, Number(partition), {
  worker: new PlainWorker({ ballast: 50_000 }),
  engine: { lingerMs: 1, commitMaxEvents: 100, deltaChunkBytes: 60, snapshotCommits: 4 },
  onFatal: () => process.exit(1),
})
await engine.start()
process.send?.('running')
