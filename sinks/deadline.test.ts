// A deadline passes whatever the garbage collector does meanwhile, which a joined AbortSignal of Node 20 does not.

import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Deadline } from './deadline.js'
import { send } from './http/request.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The signal alone, as the code that does the work has it. */
function signalWithin(ms: number, other: AbortSignal): AbortSignal {
  return new Deadline(ms, other).signal
}

async function firesAfterCollection(signal: AbortSignal): Promise<boolean> {
  let hasFired = false
  signal.addEventListener('abort', () => (hasFired = true))
  for (let n = 0; n < 60 && !hasFired; n += 1) {
    collectGarbage()
    await sleep(10)
  }
  return hasFired
}

test('a deadline fires although garbage was collected', async () => {
  const never = new AbortController()
  const signals = Array.from({ length: 5 }, () => signalWithin(300, never.signal))
  expect(await Promise.all(signals.map(firesAfterCollection))).toEqual([true, true, true, true, true])
})

test('it fires with the other signal, with its reason, and not because of the time', () => {
  const other = new AbortController()
  const deadline = new Deadline(60_000, other.signal)
  expect(deadline.signal.aborted).toBe(false)
  other.abort(new Error('enough'))
  expect(deadline.signal.reason).toEqual(new Error('enough'))
  expect(deadline.hasPassed).toBe(false)
  expect(new Deadline(60_000, other.signal).signal.aborted).toBe(true)
  deadline.end()
})

test('after its end it does not fire', async () => {
  const other = new AbortController()
  const deadline = new Deadline(1, other.signal)
  deadline.end()
  other.abort()
  await sleep(20)
  expect(deadline.signal.aborted).toBe(false)
})

test('a request whose caller gives up within the deadline was not answered', async () => {
  const { createServer } = await import('node:http')
  const server = createServer(() => undefined).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const request = { method: 'GET', url: `http://127.0.0.1:${port}/`, headers: {} } as const
  const asked = send(request, 60_000, signalWithin(300, new AbortController().signal))
  const collecting = setInterval(collectGarbage, 10)
  expect(await asked).toMatchObject({ kind: 'no_answer', code: 'connection_lost' })
  clearInterval(collecting)
  server.closeAllConnections()
  server.close()
})
