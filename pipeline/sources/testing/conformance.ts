// What every kind of source must pass. Each check is a function that throws, so that a canary can show that it can fail
// (conformance-canary.test.ts).

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { z } from 'zod'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import type { MadeEvent } from '../map/made-events.js'
import { type Mapper, mapArrival, type Outcome } from '../map/map-arrival.js'
import { type SourceSettings, sourcesSettings } from '../settings.js'
import type { Arrival, ArrivalDraft, Loaded, SourceSecrets, WebhookRequest } from '../source-kind.js'
import { lookupOf } from './lookup-of.js'
import { mutations } from './mutations.js'
import type { Sample, SourceSamples } from './samples.js'

export interface Check {
  readonly name: string
  run(samples: SourceSamples): Promise<void>
}

const nowMs = Date.UTC(2026, 10, 27, 12)
const mutationsOfCi = 200

export const conformanceChecks: readonly Check[] = [
  {
    name: 'each of two secrets proves a request, byte for byte, and no other secret does',
    async run(samples) {
      const open = await openSamples(samples)
      for (const sample of signedOf(samples)) {
        for (const secret of samples.secrets) {
          const request = samples.request(sample, secret, nowMs)
          const [draft] = open.proven(request)
          assert.ok(draft !== undefined, `${sample.name}: no arrival`)
          assert.ok(request.body.includes(Buffer.from(draft.bytes)), `${sample.name}: other bytes are kept`)
        }
        assert.equal(open.refusal(samples.request(sample, samples.otherSecret, nowMs)), 'signature_invalid')
      }
    },
  },
  {
    name: 'a request without a proof is refused',
    async run(samples) {
      const open = await openSamples(samples)
      for (const sample of signedOf(samples)) {
        const request = samples.withoutProof(samples.request(sample, samples.secrets[0], nowMs))
        assert.equal(open.refusal(request), 'signature_missing')
      }
    },
  },
  {
    name: 'an old signature and one from the future are refused',
    async run(samples) {
      const [sample] = signedOf(samples)
      if (samples.hasNoAge || sample === undefined) return
      const open = await openSamples(samples)
      for (const awayMs of [-3_600_000, 3_600_000])
        assert.equal(
          open.refusal(samples.request(sample, samples.secrets[0], nowMs + awayMs)),
          'signature_too_old',
        )
    },
  },
  {
    name: 'the same event twice has one arrival id and gives the same events',
    async run(samples) {
      const open = await openSamples(samples)
      for (const sample of samples.good) {
        const once = open.arrivals(sample)
        const twice = open.arrivals(sample, nowMs + 60_000)
        assert.deepEqual(
          once.map(({ id }) => id),
          twice.map(({ id }) => id),
          `${sample.name}: sent again it has another id`,
        )
        const [first, second] = [await open.events(once), await open.events(twice)]
        assert.ok(first.length > 0, `${sample.name}: no event`)
        assert.equal(
          canonicalJson(first),
          canonicalJson(second),
          `${sample.name}: sent again it gives other events`,
        )
      }
    },
  },
  {
    name: 'in any order, with a gap and with an old state after a new one, the newest state wins',
    async run(samples) {
      const open = await openSamples(samples)
      const { states } = samples
      const newest = await open.events(open.arrivals(states.at(-1)!))
      assert.ok(sequencesOf(newest).length > 0, 'the newest state changes nothing')
      const orders = [
        states,
        states.toReversed(),
        [states.at(-1)!, states[0]],
        states.filter((_, at) => at !== 1),
      ]
      for (const order of orders) {
        const events: MadeEvent[] = []
        for (const state of order) events.push(...(await open.events(open.arrivals(state))))
        for (const { subject, data } of newest.filter(isChange)) {
          const highestOf = (all: readonly MadeEvent[]) =>
            Math.max(
              ...sequencesOf(all.filter(one => one.data['subscription_id'] === data['subscription_id'])),
            )
          assert.equal(highestOf(newest), highestOf(events), `an older state of ${subject} wins`)
        }
      }
      const sequences: number[] = []
      for (const state of states) sequences.push(...sequencesOf(await open.events(open.arrivals(state))))
      for (const one of sequences)
        assert.ok(Number.isSafeInteger(one), `the sequence ${one} is no safe integer`)
      // Without this a kind that gives every state one sequence would pass: the highest is then always that of the newest.
      for (const [at, state] of states.slice(1).entries()) {
        const [older, newer] = [states[at]!, state].map(one => open.events(open.arrivals(one)))
        const [before, after] = [highest(await older!), highest(await newer!)]
        assert.ok(after > before, `${state.name} has no higher sequence than the state before it`)
      }
    },
  },
  {
    name: 'an unknown type is ignored or waits, and gives no event',
    async run(samples) {
      const open = await openSamples(samples)
      for (const outcome of await open.outcomes(open.arrivals(samples.unknownType)))
        assert.notEqual(outcome.kind, 'events')
    },
  },
  {
    name: 'where a field is missing the arrival waits, and says which',
    async run(samples) {
      const open = await openSamples(samples)
      const [outcome] = await open.outcomes(open.arrivals(samples.missingField))
      assert.equal(outcome?.kind, 'waits')
      assert.ok(outcome.faults.every(({ code, detail }) => /^[a-z_]+$/.test(code) && detail.length > 0))
    },
  },
  {
    name: 'another version of the API says the same',
    async run(samples) {
      const open = await openSamples(samples)
      for (const [usual, other] of samples.versions ?? []) {
        const [one, two] = [await open.events(open.arrivals(usual)), await open.events(open.arrivals(other))]
        assert.ok(one.length > 0, `${usual.name}: no event`)
        assert.equal(canonicalJson(two.map(saidBy)), canonicalJson(one.map(saidBy)), other.name)
      }
    },
  },
  {
    name: 'an id that nobody knows makes the arrival wait, and is never guessed',
    async run(samples) {
      const ids = { customer: 'table' }
      const open = await openSamples({
        ...samples,
        settings: { ...samples.settings, ids },
        identities: new Map(),
      })
      const [outcome] = await open.outcomes(open.arrivals(samples.good[0]))
      assert.equal(outcome?.kind, 'waits')
      assert.ok(outcome.faults.some(({ code }) => code === 'unknown_identity'))
      assert.ok(outcome.needs.length > 0, 'nothing says what would free it')
    },
  },
  {
    name: 'what a mended mapping says again has another id and a sequence that wins',
    async run(samples) {
      const open = await openSamples(samples)
      const arrivals = open.arrivals(samples.states[0])
      const [before, after] = [await open.events(arrivals), await open.events(arrivals, 1)]
      assert.equal(before.length, after.length)
      for (const [index, one] of before.entries()) assert.notEqual(one.id, after[index]?.id)
      for (const [index, one] of sequencesOf(before).entries())
        assert.ok(one < sequencesOf(after)[index]!, 'the correction does not win')
      const other = await open.events(open.arrivals(samples.states[1]))
      assert.ok(sequencesOf(after)[0]! < sequencesOf(other)[0]!, 'a correction wins over a later state')
    },
  },
  {
    name: 'a body of the limit is taken',
    async run(samples) {
      const open = await openSamples(samples)
      const sample = samples.bodyOf(open.settings.limits.bodyBytes)
      assert.ok(Buffer.byteLength(sample.body) > open.settings.limits.bodyBytes * 0.9)
      const arrivals = open.arrivals(sample)
      assert.ok(arrivals.length > 0)
      const isDrafted = samples.drafts !== undefined
      for (const outcome of await open.outcomes(arrivals)) assert.ok(isDrafted || outcome.kind !== 'fetch')
    },
  },
  {
    name: 'of mutated deliveries nothing is accepted unsigned, nothing crashes, and nothing is lost',
    async run(samples) {
      const open = await openSamples(samples)
      const wanted = Number(process.env['WEIR_MUTATIONS'] ?? mutationsOfCi)
      for (const { sample, request } of mutations(samples, nowMs, wanted)) {
        if (request !== undefined && isLogin(samples)) {
          // A login says nothing of the body: whatever comes with it is kept and has an outcome; without it nothing is.
          const other = changedLogin(request)
          assert.equal(open.loaded.verify(other, open.secrets, nowMs, open.settings).kind, 'refused')
          await open.outcomes(open.proven(request).map(draft => open.arrivalOf(draft)))
          continue
        }
        if (request !== undefined) {
          const verified = open.loaded.verify(request, open.secrets, nowMs, open.settings)
          assert.equal(
            verified.kind,
            'refused',
            'a delivery that was changed after it was signed is accepted',
          )
          continue
        }
        // Signed as it is, whatever it holds: it is kept, and has an outcome.
        const arrivals = open.arrivals(sample)
        assert.ok(arrivals.length > 0, 'a signed delivery is lost')
        for (const { id } of arrivals) assert.ok(id.length >= 1 && id.length <= 200)
        const outcomes = await open.outcomes(arrivals)
        assert.equal(outcomes.length, arrivals.length)
        for (const outcome of outcomes)
          if (outcome.kind === 'waits')
            assert.ok(
              outcome.faults.every(({ detail }) => !detail.startsWith('The mapping failed')),
              `the mapping throws: ${outcome.faults[0].detail}`,
            )
      }
    },
  },
]

export interface OpenSamples {
  readonly loaded: Loaded
  readonly settings: SourceSettings
  readonly secrets: SourceSecrets
  proven(request: WebhookRequest): readonly ArrivalDraft[]
  refusal(request: WebhookRequest): string
  arrivals(sample: Sample, atMs?: number): readonly Arrival[]
  arrivalOf(draft: ArrivalDraft): Arrival
  outcomes(arrivals: readonly Arrival[], revision?: number): Promise<readonly Outcome[]>
  events(arrivals: readonly Arrival[], revision?: number): Promise<readonly MadeEvent[]>
}

export async function openSamples(samples: SourceSamples): Promise<OpenSamples> {
  const { kind } = samples
  const loaded = await kind.load()
  const settings = settingsOf(samples)
  const rules = rulesOf(samples, loaded)
  const isBasic = isLogin(samples)
  const basic = isBasic ? samples.secrets.map(password => ({ username: 'weir', password })) : []
  const secrets: SourceSecrets = { signing: isBasic ? [] : samples.secrets, basic }
  const mapperOf = (revision: number): Mapper => ({
    settings,
    loaded,
    rules,
    maker: { kind: kind.kind, source: settings.name, revision, isCorrection: revision > 0 },
    identities: lookupOf(samples.identities),
  })
  const proven = (request: WebhookRequest) => {
    const verified = loaded.verify(request, secrets, nowMs, settings)
    assert.equal(verified.kind, 'proven', `refused: ${verified.kind === 'refused' ? verified.code : ''}`)
    return verified.arrivals
  }
  const arrivalOf = (draft: ArrivalDraft, receivedAtMs = nowMs, sequence = 1): Arrival => ({
    ...draft,
    ...{ source: settings.name, via: 'webhook', receivedAtMs, sequence },
    headers: draft.headers ?? {},
  })
  /** An object that is named is read, as it would be, and mapped. */
  const outcomeOf = async (arrival: Arrival, mapper: Mapper): Promise<Outcome> => {
    const outcome = await mapArrival(arrival, mapper)
    const read = outcome.kind === 'fetch' ? samples.read?.(outcome.what, arrival) : undefined
    return read === undefined
      ? outcome
      : mapArrival({ ...arrival, headers: {}, ...read, via: 'fetch' }, mapper)
  }
  const outcomes = (arrivals: readonly Arrival[], revision = 0) =>
    Promise.all(arrivals.map(arrival => outcomeOf(arrival, mapperOf(revision))))
  return {
    loaded,
    settings,
    secrets,
    proven,
    refusal(request) {
      const verified = loaded.verify(request, secrets, nowMs, settings)
      return verified.kind === 'refused' ? verified.code : 'accepted'
    },
    arrivalOf,
    arrivals(sample, atMs = nowMs) {
      const sentAtMs = samples.hasNoAge ? atMs : nowMs
      const drafts = samples.drafts?.(sample) ?? proven(samples.request(sample, samples.secrets[0], sentAtMs))
      return drafts.map((draft, index) => arrivalOf(draft, atMs, index + 1))
    },
    outcomes,
    async events(arrivals, revision = 0) {
      const all = await outcomes(arrivals, revision)
      return all.flatMap(one => {
        if (one.kind === 'waits') assert.fail(`it waits: ${one.faults.map(({ detail }) => detail).join(' ')}`)
        return one.kind === 'events' ? one.events : []
      })
    },
  }
}

function isLogin({ kind, logsIn }: SourceSamples): boolean {
  return kind.proof === 'basic' || logsIn === true
}

function changedLogin(request: WebhookRequest): WebhookRequest {
  const given = request.headers['authorization'] ?? ''
  return { ...request, headers: { ...request.headers, authorization: given.slice(0, -6) } }
}

/** What comes by the door. */
function signedOf({ signed, good }: SourceSamples): readonly Sample[] {
  return signed ?? good
}

function settingsOf(samples: SourceSamples): SourceSettings {
  const { kind, settings = {}, mapping, secrets } = samples
  const isBasic = isLogin(samples)
  const named = secrets.map((_, index) => ({ variable: `SECRET_${index}` }))
  const parsed = sourcesSettings.schema(z).parse([
    {
      name: 'sample',
      kind: kind.kind,
      ...(kind.proof === 'none'
        ? {}
        : isBasic
          ? { auth: named.map(password => ({ username: 'weir', password })) }
          : { secrets: named }),
      ...(mapping === undefined ? {} : { mapping: 'mapping.yaml' }),
      ...settings,
    },
  ])
  return parsed[0]!
}

const readBefore = new Map<string, unknown>()

function rulesOf({ mapping, folder = '', kind }: SourceSamples, { readMapping }: Loaded): unknown {
  if (mapping === undefined || readMapping === undefined) return undefined
  const key = `${kind.kind} ${folder} ${mapping}`
  if (readBefore.has(key)) return readBefore.get(key)
  const read = readMapping(mapping, join(folder, 'mapping.yaml'))
  if (read.kind === 'invalid')
    assert.fail(read.problems.map(({ line, message }) => `${line}: ${message}`).join('\n'))
  readBefore.set(key, read.rules)
  return read.rules
}

function isChange({ type }: MadeEvent): boolean {
  return type.startsWith('weir.subscription.') || type.startsWith('weir.tax.')
}

function sequencesOf(events: readonly MadeEvent[]): number[] {
  return events.filter(isChange).map(({ data }) => Number(data['sequence']))
}

function highest(events: readonly MadeEvent[]): number {
  return Math.max(...sequencesOf(events))
}

function saidBy({ type, subject, data }: MadeEvent): unknown {
  return { type, subject, data }
}
