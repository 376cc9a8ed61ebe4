// What the producers of the fault tests send: the demo's month of calls, more amendments than the demo has,
// and every kind of disorder, in phases whose order changes no result.
// Invariant: the outcome follows from the scenario alone; sending a request again changes only the number of
// duplicates.

import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { packageRoot } from '../../../schemas/package-root.js'
import { type DemoAmendment, fixedRandom, type Scenario, syntheticScenario } from '../../demo/scenario.js'
import { type CloudEventJson, type Expected, trafficOf } from '../../demo/traffic.js'

export interface Month {
  readonly scenario: Scenario
  readonly catalogText: string
  /** The catalog and the subscriptions; sent before anything else. */
  readonly opening: readonly CloudEventJson[]
  /** Sent in any order, several requests at once. */
  readonly usage: readonly CloudEventJson[]
  /** Back-dated amendments, sent in between the usage. */
  readonly amendments: readonly CloudEventJson[]
  /** Sent after the usage: late, repeated and broken events. */
  readonly stragglers: readonly CloudEventJson[]
  /** The counts to expect if retries had sent nothing twice. */
  readonly expected: Expected
}

const dayMs = 86_400_000
/** How many of a hundred customers are amended afterwards. */
const amendedPercent = 12

export async function monthOf(events: number, customers: number): Promise<Month> {
  const catalogText = await readFile(new URL('pipeline/demo/catalog.yaml', packageRoot), 'utf8')
  const base = syntheticScenario(events, customers)
  const scenario: Scenario = { ...base, amendments: manyAmendments(base) }
  const traffic = trafficOf(scenario, { duplicates: 0.004, late: 0.003, broken: 0.002 })
  const { stragglers, dropped } = withoutRaces(traffic.stragglers)
  const { expected } = traffic
  return {
    scenario,
    catalogText,
    opening: [catalogEvent(catalogText), ...traffic.subscriptions],
    usage: traffic.usage,
    amendments: traffic.amendments,
    stragglers,
    expected: {
      ...expected,
      accepted: expected.accepted + 1 - dropped,
      applied: expected.applied + 1,
      conflicting: expected.conflicting - dropped,
    },
  }
}

/** The demo's two amendments, and an upgrade or more seats for many others, each from a different day. */
function manyAmendments(scenario: Scenario): DemoAmendment[] {
  const amendments = [...scenario.amendments]
  const taken = new Set(amendments.map(amendment => amendment.customer))
  scenario.customers.forEach(({ plan, seats }, customer) => {
    if (taken.has(customer) || plan === 'scale') return
    if (fixedRandom(`amended ${customer}`) * 100 >= amendedPercent) return
    const effectiveFromMs = scenario.fromMs + (6 + Math.floor(fixedRandom(`from ${customer}`) * 18)) * dayMs
    if (plan === 'starter') amendments.push({ customer, effectiveFromMs, plan: 'pro', seats: 2 })
    else amendments.push({ customer, effectiveFromMs, seats: seats + 1 })
  })
  return amendments
}

/** Which of two contents of one event comes first must not depend on which request arrives first. */
function withoutRaces(all: readonly CloudEventJson[]): { stragglers: CloudEventJson[]; dropped: number } {
  const isConflict = (event: CloudEventJson) => (event.data as { model?: string }).model === 'another'
  const late = new Set(all.filter(event => !isConflict(event)).map(event => event.id))
  const stragglers = all.filter(event => !(isConflict(event) && late.has(event.id)))
  return { stragglers, dropped: all.length - stragglers.length }
}

function catalogEvent(text: string): CloudEventJson {
  return {
    specversion: '1.0',
    id: 'catalog-1',
    source: '/faults/catalog',
    type: 'weir.catalog.published',
    data: { catalog: parse(text) as unknown },
  }
}
