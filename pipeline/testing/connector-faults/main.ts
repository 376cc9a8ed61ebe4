// Sends records through a real Weir to a fake receiver that fails at random, kills Weir again and again, and counts what the
// fake's own store has against the streams that Weir read: each record once and to the last digit, or the run has failed.

import { parseArgs } from 'node:util'
import type { RecordsChoice } from '../../../sinks/connector-kind.js'
import { feedsOf } from './faults.js'
import { isSound, type RunResult, run } from './run.js'

const { values } = parseArgs({
  options: {
    kind: { type: 'string', multiple: true },
    feed: { type: 'string' },
    records: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '12' },
    faults: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '30' },
    'product-waits': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const kinds = values.kind ?? []
if (kinds.length === 0) throw new Error('say --kind, such as --kind netsuite --kind stripe:meter_events')

const results: RunResult[] = []
for (const kind of kinds) results.push(await runOf(kind))
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`)
process.exitCode = results.every(isSound) ? 0 : 1

async function runOf(kind: string): Promise<RunResult> {
  const begunMs = Date.now()
  const result = await run({
    kind,
    feed: (values.feed as RecordsChoice | undefined) ?? feedsOf(kind)[0],
    records: Number(values.records),
    kills: Number(values.kills),
    faultsTimes: Number(values.faults),
    mostMs: Number(values.minutes) * 60_000,
    isSlow: values['product-waits'],
    onProgress: words =>
      process.stderr.write(`${kind}: ${words}, ${Math.round((Date.now() - begunMs) / 1_000)} s\n`),
  })
  const { faults, reasons, ...row } = result
  if (!values.json) {
    console.table([row])
    console.log(JSON.stringify({ faults, reasons }))
  }
  return result
}
