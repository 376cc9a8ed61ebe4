// The guard around a connector's `put`: one that does not answer is told, waited for, and left only when the process ends.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Connector, ConnectorRecord } from '../../sinks/connector.js'
import { putPage } from './put-page.js'

const taken = async (): Promise<void> => {}
const record: ConnectorRecord = { kind: 'journal', id: 'a', key: 'a', recordedAt: '', document: {} }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function connector(put: Connector['put']): Connector {
  return {
    ...{ pageSize: 1, attemptMs: 1_000, settlesWithinMs: 0, put },
    check: async () => ({ kind: 'ready' }),
    find: async () => ({ kind: 'absent' }),
  }
}

test('a connector that hangs is told some seconds after its deadline, not given up, and left when the process ends', async () => {
  const aborting = new AbortController()
  const told: string[] = []
  let isOver = false
  const put = putPage(
    connector(() => new Promise(() => {})),
    [record],
    aborting.signal,
    { forMs: 1_000, taken, onSilent: ({ code }) => told.push(code) },
  ).finally(() => (isOver = true))
  put.catch(() => undefined)
  await vi.advanceTimersByTimeAsync(5_999)
  expect(told).toEqual([])
  await vi.advanceTimersByTimeAsync(600_000)
  expect([told, isOver]).toEqual([['receiver_silent'], false])
  aborting.abort()
  await expect(put).rejects.toThrow('the delivery ends')
})

test('a connector that throws, or answers for too few records, leaves it unclear whether they arrived', async () => {
  const never = new AbortController().signal
  const say = { forMs: 1_000, taken, onSilent: (): void => {} }
  const thrown = await putPage(
    connector(() => Promise.reject(new Error('a bug'))),
    [record],
    never,
    say,
  )
  expect(thrown).toEqual([{ kind: 'unclear', code: 'connector_bug', detail: 'Error: a bug' }])
  const short = await putPage(
    connector(async () => []),
    [record, record],
    never,
    say,
  )
  expect(short.map(({ kind }) => kind)).toEqual(['unclear', 'unclear'])
})
