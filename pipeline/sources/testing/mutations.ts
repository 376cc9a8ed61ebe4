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

const triesOfEach = 100

/** `count` different ones, every second changed after it was signed, where there is a signature. */
export function* mutations(samples: SourceSamples, nowMs: number, count: number): Generator<Mutation> {
  const random = randomOf(20_261_127)
  const { signed = [...samples.good, ...samples.states] } = samples
  const all = [...new Set([...signed, ...samples.good, ...samples.states])]
  const seen = new Set<string>()
  for (let tries = 0; seen.size < count; tries += 1) {
    if (tries > count * triesOfEach) throw new Error(`of ${count} mutations only ${seen.size} differ`)
    const isSigned = seen.size % 2 === 0 && signed.length > 0
    const from = isSigned ? signed : all
    const sample = from[Math.floor(random() * from.length)]!
    const made = isSigned ? changedRequest(sample, samples, nowMs, random) : changedSample(sample, random)
    const { request } = made
    const key = request === undefined ? made.sample.body : `signed ${request.body.toString('latin1')}`
    if (seen.has(key) || request?.body.equals(Buffer.from(sample.body))) continue
    seen.add(key)
    yield made
  }
}

function changedRequest(
  sample: Sample,
  samples: SourceSamples,
  nowMs: number,
  random: () => number,
): Mutation {
  const request = samples.request(sample, samples.secrets[0], nowMs)
  return { sample, request: { ...request, body: changedBytes(request.body, random) } }
}

/** One to three changes. */
function changedSample(sample: Sample, random: () => number): Mutation {
  let { body } = sample
  for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) body = changedJson(body, random)
  return { sample: { ...sample, body }, request: undefined }
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
