// For tests: a producer process that publishes without end and tells its parent what its spool holds, until
// it is killed. `WEIR_TEST_LOGIN`: how to connect. Arguments: folder of the spool, prefix of its ids, how
// many to publish (0: without end).

import { connect } from '@nats-io/transport-node'
import { UsagePublisher } from '../publisher/usage-publisher.js'

process.on('disconnect', () => process.exit(0)) // never outlives the test
const [folder, prefix, count] = process.argv.slice(2)
const connection = await connect({
  ...(JSON.parse(process.env['WEIR_TEST_LOGIN']!) as object),
  maxReconnectAttempts: -1,
  reconnectTimeWait: 50,
})
const publisher = new UsagePublisher({
  to: { connection, partitions: 4 },
  source: 'crash-test',
  spool: { folder: folder!, resolveWhen: 'spooled' },
  limits: { batchEvents: 50, lingerMs: 2, maxInFlight: 2, retryMinMs: 10, retryMaxMs: 100, attemptMs: 1_000 },
})
const { leftBatches } = await publisher.start()
process.send?.({ leftBatches })

for (let i = 0; Number(count) === 0 || i < Number(count); i += 1) {
  await publisher.room()
  const id = `${prefix}-${i}`
  void publisher
    .publish({ id, type: 'llm.request', subject: `customer-${i % 20}`, data: { tokens: 1 } })
    .then(result => process.send?.({ id, kind: result.kind }))
  if (i % 100 === 99) await new Promise(resolve => setTimeout(resolve, 5))
}
await publisher.flush()
await publisher.close()
await connection.close()
process.disconnect?.()
