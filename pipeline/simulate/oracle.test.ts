// Streaming = batch: random histories through the core that `simulate` and the workers run, held against the oracle after
// every prefix; the same events in another order on a bad day; and through `simulate` as of an instant in the middle.
// A failure prints its seed, its path and the smallest history that fails. WEIR_ORACLE_SEED and WEIR_ORACLE_PATH run it
// again; WEIR_ORACLE_RUNS says how many histories there are.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { parseInstant } from '../../schemas/time.js'
import {
  expectAgreement,
  expectBilled,
  expectCharges,
  expectMovements,
  expectRuns,
} from '../testing/oracle/agree.js'
import { oracle } from '../testing/oracle/oracle.js'
import { type Breakage, badDay } from '../testing/random/bad-day.js'
import { drive } from '../testing/random/drive.js'
import { type History, happenedBy, histories } from '../testing/random/histories.js'
import { simulate } from './simulate.js'

const { WEIR_ORACLE_RUNS, WEIR_ORACLE_SEED, WEIR_ORACLE_PATH } = process.env
const numRuns = Number(WEIR_ORACLE_RUNS ?? 500)
const timeoutMs = 60_000 + numRuns * 1_000

function catalogOf(history: History): Catalog {
  const parsed = parseCatalogValue(history.catalog)
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.catalog
}

function forAll(claim: (history: History) => void): void {
  fc.assert(fc.property(histories, claim), {
    numRuns,
    ...(WEIR_ORACLE_SEED === undefined ? {} : { seed: Number(WEIR_ORACLE_SEED) }),
    ...(WEIR_ORACLE_PATH === undefined ? {} : { path: WEIR_ORACLE_PATH }),
  })
}

test(
  'after every prefix the stream is what the oracle makes of the set, to the last digit',
  () => {
    let rated = 0
    let couponed = 0
    let committed = 0
    forAll(history => {
      const catalog = catalogOf(history)
      const { batches, arrivalMs, middleNs, endNs } = history
      drive(catalog, batches, arrivalMs, (driven, length) => {
        const answer = oracle(catalog, batches.slice(0, length), arrivalMs)
        expectAgreement(driven, answer, endNs)
        if (length < batches.length) return
        expectCharges(driven.core.charges(middleNs), answer.charges(middleNs))
        rated += answer.counts.rated
        const owed = answer.charges(endNs)
        couponed += owed.filter(one => one.wire.discounts !== undefined).length
        committed += owed.filter(one => one.wire.kind === 'commitment').length
      })
    })
    // Histories that rate hardly anything would prove little.
    if (numRuns >= 100) {
      expect(rated).toBeGreaterThan(numRuns)
      expect(couponed).toBeGreaterThan(numRuns / 3)
      expect(committed).toBeGreaterThan(numRuns / 2)
    }
  },
  timeoutMs,
)

/** The same events in another order, with late and repeated answers from history, restarts and billing runs. */
function survivesBadDay(history: History, breakage: Breakage = {}): number {
  const catalog = catalogOf(history)
  const { batches, again, arrivalMs, endNs, seed } = history
  const day = badDay({ catalog, batches: again, seed, arrivalMs, endNs, breakage }, (driven, length) => {
    expectAgreement(driven, oracle(catalog, again.slice(0, length), arrivalMs), endNs, { isBilled: true })
  })
  const answer = oracle(catalog, again, arrivalMs)
  const endlessNs = endNs + 1n // a charge that begins with the last cutoff is due, in advance
  expectRuns(day.runs, length => oracle(catalog, again.slice(0, length), arrivalMs).charges(endlessNs))
  expectBilled(day, answer.charges(endlessNs))
  if (history.isOrderFree) {
    const inOrder = oracle(catalog, batches, arrivalMs)
    expect(answer.counts).toEqual(inOrder.counts)
    expect(answer.charges(endNs)).toEqual(inOrder.charges(endNs))
    expect(answer.movements).toEqual(inOrder.movements)
  }
  return day.answers
}

test(
  'the same events in another order, cut, restarted, billed and rated again, end the same',
  () => {
    let answers = 0
    forAll(history => {
      answers += survivesBadDay(history)
    })
    // Histories that never rate anything again would prove little.
    if (numRuns >= 100) expect(answers).toBeGreaterThan(numRuns / 4)
  },
  timeoutMs,
)

test(
  'simulate as of any instant is what the oracle makes of what had happened by then',
  () => {
    forAll(history => {
      const catalog = catalogOf(history)
      const { arrivalMs, middleNs, batches } = history
      const events = batches.flat()
      const bodies = [Buffer.from(stringifyJson(events))]
      const result = simulate({ catalog, bodies, asOfNs: middleNs, nowMs: arrivalMs, explain: true })
      const known = oracle(catalog, [happenedBy(history, middleNs)], arrivalMs)
      expect(result.events).toEqual(oracle(catalog, [events], arrivalMs).counts)
      expectCharges(result.charges, known.charges(middleNs))
      const isPast = (one: { effective_at: string }) => parseInstant(one.effective_at)! <= middleNs
      expectMovements(result.movements, known.movements.filter(isPast))
      const explained = result.explanations?.map(({ charge, explanation }) => [charge, explanation.amount])
      expect(explained).toEqual(result.charges.map(charge => [charge, charge.amount]))
    })
  },
  timeoutMs,
)

test.each<[string, Breakage]>([
  ['loses a row of history', { losesHistory: true }],
  ['forgets deltas when it restarts', { losesDeltas: true }],
])(
  'a core that %s is caught',
  (_name, breakage) => {
    const caught = fc.sample(histories, { numRuns: 30, seed: 1 }).filter(history => {
      try {
        survivesBadDay(history, breakage)
        return false
      } catch {
        return true
      }
    })
    expect(caught.length).toBeGreaterThan(5)
  },
  60_000,
)
