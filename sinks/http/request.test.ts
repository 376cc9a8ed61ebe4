// A request and the end of its attempt, over real HTTP.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Deadline } from '../deadline.js'
import type { AttemptSignal } from './attempt-signal.js'
import { send } from './request.js'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function receiver(): Promise<{ readonly url: string; readonly seen: string[] }> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(request.url ?? '')
    response.end('{}')
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** As a process that is stopped: nothing of it runs, and no timer fires. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('a process that was frozen while its connection was made sends nothing after the end of the attempt', async () => {
  const { url, seen } = await receiver()
  const request = { method: 'POST', headers: {}, body: '{}' } as const
  // No timer ends it: only the clock does.
  const signal: AttemptSignal = Object.assign(new AbortController().signal, { endsAtMs: Date.now() + 50 })
  const sending = send({ ...request, url: `${url}/late` }, 5_000, signal)
  await new Promise(resolve => process.nextTick(resolve))
  freeze(100)
  expect(await sending).toMatchObject({ kind: 'not_sent', code: 'aborted' })
  expect(await send({ ...request, url: `${url}/later` }, 5_000, signal)).toMatchObject({ kind: 'not_sent' })
  const next = new Deadline(5_000, new AbortController().signal)
  expect(await send({ ...request, url: `${url}/next` }, 5_000, next.signal)).toMatchObject({
    kind: 'answer',
    status: 200,
  })
  next.end()
  expect(seen).toEqual(['/next'])
})
