// Topics that an org refuses, with an org that is only a list of what it answers.

import { expect, test } from 'vitest'
import { SourceTrouble } from '../source-kind.js'
import { type ListenParts, listen } from './listen.js'

const refusal = (topic: string) => new SourceTrouble('source_refused', `${topic}: not found`)

/** `refusals`: how often each topic is refused before it is there. */
function partsOf(refusals: Record<string, number>): ListenParts {
  const topics = Object.keys(refusals).map(topic => ({ topic, objects: [] }))
  async function* told(topic: string, _after: Buffer | undefined, signal: AbortSignal) {
    refusals[topic] = refusals[topic]! - 1
    if (refusals[topic]! >= 0) throw refusal(topic)
    yield { events: [], replayId: Buffer.from(topic) }
    if (!signal.aborted)
      await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
  }
  const pubsub = { told } as unknown as ListenParts['pubsub']
  const changed = {} as ListenParts['changed']
  return { topics, pubsub, changed, read: async () => [], nowMs: () => 0, refusedAgainMs: 1 }
}

test('a refused topic is asked for again while the others go on, and nothing is told once it is there', async () => {
  const over = new AbortController()
  const heard = new Set<string>()
  const troubles: (string | undefined)[] = []
  const keep = async (_arrivals: unknown, position: unknown) => {
    for (const topic of Object.keys((position as { topics: object }).topics)) heard.add(topic)
    if (heard.size === 2) over.abort()
  }
  const tell = (trouble: SourceTrouble | undefined) => troubles.push(trouble?.message)
  await listen(partsOf({ a: 0, b: 3 }), undefined, keep, over.signal, tell)
  expect([...heard]).toEqual(['a', 'b'])
  expect(troubles).toEqual(['b: not found', undefined])
})

test('where every topic is refused the whole source is in trouble', async () => {
  const signal = AbortSignal.timeout(10_000)
  const listening = listen(
    partsOf({ a: 9, b: 9 }),
    undefined,
    async () => undefined,
    signal,
    () => undefined,
  )
  await expect(listening).rejects.toThrow(/not found/)
})
