// The limit of requests: at the same time, per second, and given back when a request ends or its signal fires.

import { expect, test } from 'vitest'
import { limiterOf, pageMs } from './limiter.js'

test('no more are under way than allowed, in the order of their coming, and one that is told to stop leaves the queue', async () => {
  const limiter = limiterOf({ concurrent: 2 })
  const { signal } = new AbortController()
  const [first, second] = [await limiter.enter(signal), await limiter.enter(signal)]
  const came: string[] = []
  const impatient = new AbortController()
  const gone = limiter.enter(impatient.signal)
  const third = limiter.enter(signal).then(leave => {
    came.push('third')
    return leave
  })
  const fourth = limiter.enter(signal).then(() => came.push('fourth'))
  impatient.abort()
  expect(await gone).toBeUndefined()
  expect(came).toEqual([])
  first!()
  first!() // given back once
  await third
  await new Promise(resolve => setImmediate(resolve))
  expect(came).toEqual(['third'])
  second!()
  await fourth
})

test('per minute counts as well as per second, and a stopped request waits for neither', async () => {
  const limiter = limiterOf({ per_second: 100, per_minute: 2 })
  const stop = new AbortController()
  for (let n = 0; n < 2; n += 1) (await limiter.enter(stop.signal))!()
  const third = limiter.enter(stop.signal)
  stop.abort()
  expect(await third).toBeUndefined()
})

test('a page has time for its rounds and its waits', () => {
  expect(pageMs(1_000, 8, {})).toBe(1_000)
  expect(pageMs(1_000, 8, { concurrent: 3 })).toBe(3_000)
  expect(pageMs(1_000, 8, { per_minute: 60 })).toBe(9_000)
})
