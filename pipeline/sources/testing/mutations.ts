// Deliveries that were changed: after they were signed, or before, so that the signature holds and the content is odd.

import type { WebhookRequest } from '../source-kind.js'
import type { Sample, SourceSamples } from './samples.js'

export interface Mutation {
  readonly sample: Sample
  /** Changed after it was signed; undefined: the sample was changed before. */
  readonly request: WebhookRequest | undefined
}

const odd = [
  'null',
  '""',
  '-1',
  '1e400',
  '[]',
  '{}',
  'true',
  '"\\ud800"',
  '99999999999999999999',
  '"9999-12-31"',
]

export function* mutations(samples: SourceSamples, nowMs: number, count: number): Generator<Mutation> {
  const random = randomOf(20_261_127)
  const { signed = [...samples.good, ...samples.states] } = samples
  const all = [...new Set([...signed, ...samples.good, ...samples.states])]
  for (let made = 0; made < count; made += 1) {
    const from = made % 2 === 0 && signed.length > 0 ? signed : all
    const sample = from[Math.floor(random() * from.length)]!
    if (made % 2 === 0 && signed.length > 0) {
      const request = samples.request(sample, samples.secrets[0], nowMs)
      const changed = changedBytes(request.body, random)
      if (!changed.equals(request.body)) yield { sample, request: { ...request, body: changed } }
      continue
    }
    yield { sample: { ...sample, body: changedJson(sample.body, random) }, request: undefined }
  }
}

function changedBytes(body: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * body.length)
  switch (Math.floor(random() * 4)) {
    case 0:
      return Buffer.concat([body.subarray(0, at), body.subarray(at + 1)])
    case 1:
      return Buffer.concat([
        body.subarray(0, at),
        Buffer.from([Math.floor(random() * 256)]),
        body.subarray(at),
      ])
    case 2:
      return body.subarray(0, at)
    default: {
      const changed = Buffer.from(body)
      changed[at] = Math.floor(random() * 256)
      return changed
    }
  }
}

/** A value replaced by an odd one, a member left out, or text that is no JSON any more. */
function changedJson(text: string, random: () => number): string {
  const what = random()
  if (what < 0.1) return text.slice(0, Math.floor(random() * text.length))
  if (what < 0.15) return odd[Math.floor(random() * odd.length)]!
  const values = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null/g)]
  const value = values[Math.floor(random() * values.length)]
  if (value === undefined) return text
  const replacement = odd[Math.floor(random() * odd.length)]!
  return `${text.slice(0, value.index)}${replacement}${text.slice(value.index + value[0].length)}`
}

/** A small generator with a seed, so that a failure can be made again. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
