// With an SDK registered, the spans of a real Weir lead from a request to the insert of its events; without one there are none.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { propagation, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { loadConfig } from '../config/config.js'
import { environment } from '../environment.js'
import { startWeir, type Weir } from '../main.js'
import { sections } from '../settings.js'
import { beginSpan } from './spans.js'

const generousMs = 120_000
const exporter = new InMemorySpanExporter()
let dataDir: string | undefined
let weir: Weir | undefined

afterAll(async () => {
  await weir?.drain()
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true })
}, generousMs)

test('without an SDK a span is one object that does nothing, carries no headers and reads no links', () => {
  const one = beginSpan('a', 'consume', {})
  expect(beginSpan('b', 'serve', {}, () => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')).toBe(
    one,
  )
  expect([one.link, one.headers]).toEqual([undefined, {}])
  one.linkTo(() => {
    throw new Error('nobody records it')
  })
  one.end()
})

test(
  'with an SDK the insert is linked to the commit, the commit to the message, the message to the request, which has the caller’s trace',
  async () => {
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    )
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
    const { url, key } = await start()
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const events = ['e1', 'e2', 'e3'].map(id => ({
      specversion: '1.0',
      id,
      source: 'spans',
      type: 'x',
      subject: 'acme',
    }))
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
      },
      body: JSON.stringify(events),
    })
    expect(response.status).toBe(202)
    const request = only(await finished('receive events'))
    expect(request.spanContext().traceId).toBe(traceId)
    const message = only(await finished('publish METERING', request))
    const commit = only(await finished('commit', message))
    expect(commit.attributes['weir.partition']).toBeTypeOf('number')
    const insert = await finished('deliver clickhouse', commit)
    expect(insert[0]!.attributes['weir.feed']).toBe('clickhouse')
    // Three events, and one span for each stage of theirs.
    expect(await finished('receive events')).toHaveLength(1)
    expect(await finished('publish METERING')).toHaveLength(1)
  },
  generousMs,
)

async function start(): Promise<{ url: string; key: string }> {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-spans-'))
  const env = { WEIR_NATS_SERVER: environment()['WEIR_NATS_SERVER'] }
  const flags = { data_dir: dataDir, 'http.port': '0', partitions: '2', workers: '1' }
  const loaded = loadConfig({ sections, env, flags })
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
  weir = await startWeir(loaded.config, { log: pino({ level: 'silent' }), onNotice: () => {} })
  return { url: weir.url, key: weir.firstKey ?? (await readFile(join(dataDir, 'api-key'), 'utf8')).trim() }
}

/** The spans of that name that have ended, of those that are linked to `to`; once there is one. */
async function finished(name: string, to?: ReadableSpan): Promise<readonly ReadableSpan[]> {
  for (;;) {
    const spanId = to?.spanContext().spanId
    const found = exporter
      .getFinishedSpans()
      .filter(span => span.name === name)
      .filter(({ links }) => to === undefined || links.some(({ context }) => context.spanId === spanId))
    if (found.length > 0) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function only(spans: readonly ReadableSpan[]): ReadableSpan {
  expect(spans).toHaveLength(1)
  return spans[0]!
}
