// What a replay in the command's own process is made of: the request, checked as the live Weir would check it, with notes of
// what this build or its settings do otherwise.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import type { PartsBeside } from '../feature/command-line.js'
import { Problem } from '../gateway/problem.js'
import type { BuildComparison } from './build-comparison.js'
import { heldInput } from './held-input.js'
import { type AskedReplay, type KeptRequest, resolveRequest } from './replay-request.js'

/** Throws an error whose message begins with a stable code. */
export async function requestHere(
  asked: AskedReplay,
  { config, jsm, shadows }: PartsBeside,
  live: BuildComparison,
): Promise<{ readonly request: KeptRequest; readonly published: Catalog }> {
  const published = await shadows.publishedCatalog(AbortSignal.timeout(60_000))
  const notes: string[] = []
  let { source } = asked
  if (live.state_format !== shadows.stateFormat) {
    const formats = `The live state has format ${live.state_format}, and this build reads ${shadows.stateFormat}`
    if (source === 'history') {
      throw new Error(
        `state_format: ${formats}: subscriptions cannot be copied from it. Use --source input, which reads everything from the streams.`,
      )
    }
    source = 'input'
    notes.push(`${formats}: nothing is taken from it, everything is read from the streams.`)
  }
  notes.push(...otherSettings(config, live))
  try {
    const request = resolveRequest({ ...asked, source }, published, await heldInput(jsm))
    return { request: { ...request, notes: [...request.notes, ...notes] }, published }
  } catch (error) {
    throw error instanceof Problem ? new Error(`${error.code}: ${error.message}`, { cause: error }) : error
  }
}

/** Settings that decide which events count. */
function otherSettings(
  { dedupeHorizonDays, parkedTtlDays }: PartsBeside['config'],
  live: BuildComparison,
): string[] {
  const pairs = [
    ['dedupe_horizon_days', dedupeHorizonDays, live.dedupe_horizon_days],
    ['parked_ttl_days', parkedTtlDays, live.parked_ttl_days],
  ] as const
  return pairs
    .filter(([, here, there]) => here !== there)
    .map(
      ([name, here, there]) =>
        `${name} is ${here} here and ${there} there: late events may come out otherwise.`,
    )
}
