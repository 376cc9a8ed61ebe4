// Each check of the conformance suite can fail: a kind is broken on purpose in the one way that the check is about.

import { expect, test } from 'vitest'
import type { Loaded, SourceKind } from '../source-kind.js'
import { conformanceChecks } from './conformance.js'
import type { SourceSamples } from './samples.js'
import { standardSamples } from './standard-samples.js'

type Broken = (loaded: Loaded) => Partial<Loaded>

/** By the beginning of the check's name. */
const sabotage: Readonly<Record<string, Broken>> = {
  'each of two secrets': ({ verify }) => ({
    verify: (request, { signing, basic }, nowMs, settings) =>
      verify(request, { signing: signing.slice(0, 1), basic }, nowMs, settings),
  }),
  'a request without a proof': ({ verify }) => ({
    verify(request, secrets, nowMs, settings) {
      const verified = verify(request, secrets, nowMs, settings)
      const isBare = verified.kind === 'refused' && verified.code === 'signature_missing'
      return isBare ? { kind: 'proven', arrivals: [{ id: 'x', type: '', bytes: request.body }] } : verified
    },
  }),
  'an old signature': ({ verify }) => ({
    verify: (request, secrets, _nowMs, settings) =>
      verify(request, secrets, Number(request.headers['webhook-timestamp']) * 1000, settings),
  }),
  'the same event twice': ({ map }) => ({
    map(arrival, context) {
      const outcome = map(arrival, context)
      if (outcome.kind !== 'events') return outcome
      return {
        kind: 'events',
        events: outcome.events.map(one => ({ ...one, key: String(arrival.receivedAtMs) })),
      }
    },
  }),
  'in any order': ({ map }) => {
    let delivered = 0
    return {
      map(arrival, context) {
        delivered += 1 // the order of delivery
        const outcome = map(arrival, context)
        if (outcome.kind !== 'events') return outcome
        return { kind: 'events', events: outcome.events.map(one => ({ ...one, version: delivered })) }
      },
    }
  },
  'an unknown type': ({ map }) => ({
    map(arrival, context) {
      const outcome = map(arrival, context)
      const event = { key: '', type: 'other', subject: 'acme', data: {} }
      return outcome.kind === 'ignored' ? { kind: 'events', events: [event] } : outcome
    },
  }),
  'where a field is missing': ({ map }) => ({
    map(arrival, context) {
      let isWrong = false
      const fault = () => {
        isWrong = true
      }
      const outcome = map(arrival, { ...context, fault })
      return isWrong ? { kind: 'ignored', reason: 'not_understood' } : outcome
    },
  }),
  'another version': ({ map }) => ({
    map(arrival, context) {
      const outcome = map(arrival, context)
      const isOld = arrival.bytes.includes(0x09)
      if (outcome.kind !== 'events' || !isOld) return outcome
      return { kind: 'events', events: outcome.events.slice(1) }
    },
  }),
  'an id that nobody knows': ({ map }) => ({
    map: (arrival, context) => map(arrival, { ...context, id: (_object, theirs) => theirs }),
  }),
  'what a mended mapping': ({ map }) => ({
    map(arrival, context) {
      const outcome = map(arrival, context)
      if (outcome.kind !== 'events') return outcome
      return {
        kind: 'events',
        events: outcome.events.map(({ version, data, ...one }) => ({
          ...one,
          data: { ...data, sequence: version },
        })),
      }
    },
  }),
  'a body of the limit': ({ verify }) => ({
    verify: (request, secrets, nowMs, settings) =>
      request.body.length > 500_000
        ? { kind: 'refused', code: 'signature_invalid' }
        : verify(request, secrets, nowMs, settings),
  }),
  'of mutated deliveries': ({ map }) => ({
    map(arrival, context) {
      JSON.parse(Buffer.from(arrival.bytes).toString()) // throws
      return map(arrival, context)
    },
  }),
}

/** The order of states, where all of them have one sequence. */
const levelled: Broken = ({ map }) => ({
  map(arrival, context) {
    const outcome = map(arrival, context)
    if (outcome.kind !== 'events') return outcome
    return { kind: 'events', events: outcome.events.map(one => ({ ...one, version: 1 })) }
  },
})

test('the check of the order can fail where all states have one sequence', async () => {
  const check = conformanceChecks.find(({ name }) => name.startsWith('in any order'))!
  await expect(check.run({ ...standardSamples, kind: brokenBy(levelled) })).rejects.toThrow(
    /no higher sequence/,
  )
})

function brokenBy(broken: Broken): SourceKind {
  const { kind } = standardSamples
  return {
    ...kind,
    async load() {
      const loaded = await kind.load()
      return { ...loaded, ...broken(loaded) }
    },
  }
}

/** The same, with an older form of a sample: a tab stands in it. */
const withVersions: SourceSamples = {
  ...standardSamples,
  versions: [
    [standardSamples.good[0], { ...standardSamples.good[0], body: `\t${standardSamples.good[0].body}` }],
  ],
}

test.each(conformanceChecks.map(check => [check.name, check] as const))(
  '"%s" can fail',
  async (name, check) => {
    const key = Object.keys(sabotage).find(one => name.startsWith(one))
    expect(key, 'no canary breaks what this check is about').toBeDefined()
    await expect(check.run(withVersions)).resolves.toBeUndefined()
    await expect(check.run({ ...withVersions, kind: brokenBy(sabotage[key!]!) })).rejects.toThrow()
  },
)
