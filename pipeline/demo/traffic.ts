// The events of a scenario as producers would send them: in bursts, some twice, some late, some broken.
// Invariant: what was made wrong on purpose is counted in `Traffic.expected`, from which the demo knows what must come
// out of the pipeline.

import { formatInstantMs } from '../../schemas/time.js'
import { type DemoAmendment, type DemoCustomer, fixedRandom, type Scenario } from './scenario.js'

export interface CloudEventJson {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string
  readonly time?: string
  readonly data: unknown
}

export interface Expected {
  readonly accepted: number
  readonly refused: number
  readonly rated: number
  readonly applied: number
  readonly duplicate: number
  readonly conflicting: number
  readonly parked: number
  readonly deadLettered: number
}

export interface Traffic {
  readonly subscriptions: readonly CloudEventJson[]
  readonly usage: readonly CloudEventJson[]
  /** Sent after `usage`: the late, the repeated, the broken. */
  readonly stragglers: readonly CloudEventJson[]
  readonly amendments: readonly CloudEventJson[]
  readonly expected: Expected
}

/** Shares of the usage events, in fractions of one. */
export interface Disorder {
  readonly duplicates: number
  readonly late: number
  readonly broken: number
}

const usageSource = '/demo/llm-gateway'
const recordSource = '/demo/crm'

export function trafficOf(scenario: Scenario, disorder: Disorder): Traffic {
  const usage: CloudEventJson[] = []
  const stragglers: CloudEventJson[] = []
  let duplicate = 0
  const broken = { refused: 0, conflicting: 0, parked: 0, deadLettered: 0 }
  scenario.usage.forEach((_, index) => {
    const event = usageEvent(scenario, index)
    const late = fixedRandom(`late ${index}`) < disorder.late
    ;(late ? stragglers : usage).push(event)
    if (fixedRandom(`duplicate ${index}`) < disorder.duplicates) {
      duplicate += 1
      stragglers.push(event)
    }
    if (fixedRandom(`broken ${index}`) < disorder.broken) stragglers.push(breakEvent(event, index, broken))
  })
  const subscriptions = scenario.customers.map(createdEvent)
  const amendments = scenario.amendments.map(amendment => amendedEvent(scenario, amendment))
  const sent = usage.length + stragglers.length + subscriptions.length + amendments.length
  return {
    subscriptions,
    usage,
    stragglers,
    amendments,
    expected: {
      ...broken,
      accepted: sent - broken.refused,
      rated: scenario.usage.length,
      applied: subscriptions.length + amendments.length,
      duplicate,
    },
  }
}

function usageEvent(scenario: Scenario, index: number): CloudEventJson {
  const usage = scenario.usage[index]
  const customer = usage && scenario.customers[usage.customer]
  if (usage === undefined || customer === undefined) throw new Error(`no usage or customer at row ${index}`)
  return {
    specversion: '1.0',
    id: `call-${index + 1}`,
    source: usageSource,
    type: 'llm.request',
    subject: customer.customerId,
    time: usage.timeText,
    data: { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens, model: usage.model },
  }
}

/** One of four mistakes, each with its own outcome: refused by the gateway, dead letter, parked, conflicting. */
function breakEvent(
  event: CloudEventJson,
  index: number,
  counts: { refused: number; conflicting: number; parked: number; deadLettered: number },
): CloudEventJson {
  const id = `broken-${index + 1}`
  switch (Math.floor(fixedRandom(`mistake ${index}`) * 4)) {
    case 0: {
      counts.refused += 1
      const { subject: _, ...withoutCustomer } = event
      return { ...withoutCustomer, id }
    }
    case 1:
      counts.deadLettered += 1
      return { ...event, id, data: { input_tokens: 'many', output_tokens: 5 } }
    case 2:
      counts.parked += 1
      return { ...event, id, subject: `nobody-${index % 5}` }
    default:
      counts.conflicting += 1
      return { ...event, data: { input_tokens: 1, output_tokens: 1, model: 'another' } }
  }
}

function createdEvent(customer: DemoCustomer): CloudEventJson {
  const from = formatInstantMs(customer.fromMs)
  const month = new Date(customer.fromMs)
  const anchor = formatInstantMs(Date.UTC(month.getUTCFullYear(), month.getUTCMonth(), 1))
  return lifecycleEvent('created', customer, 1, {
    plan: customer.plan,
    plan_version: 1,
    effective_from: from,
    billing_anchor: anchor,
    ...(customer.plan === 'pro' ? { quantities: { seats: String(customer.seats) } } : {}),
  })
}

function amendedEvent(scenario: Scenario, amendment: DemoAmendment): CloudEventJson {
  const customer = scenario.customers[amendment.customer]
  if (customer === undefined) throw new Error('an amendment of no customer')
  return lifecycleEvent('amended', customer, 2, {
    effective_from: formatInstantMs(amendment.effectiveFromMs),
    ...(amendment.plan === undefined ? {} : { plan: amendment.plan, plan_version: 1 }),
    quantities: { seats: String(amendment.seats) },
  })
}

function lifecycleEvent(
  change: 'created' | 'amended',
  customer: DemoCustomer,
  sequence: number,
  data: Readonly<Record<string, unknown>>,
): CloudEventJson {
  return {
    specversion: '1.0',
    id: `${customer.subscriptionId}-${sequence}`,
    source: recordSource,
    type: `weir.subscription.${change}`,
    subject: customer.customerId,
    data: {
      subscription_id: customer.subscriptionId,
      customer_id: customer.customerId,
      sequence,
      ...data,
    },
  }
}
