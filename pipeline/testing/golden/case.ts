// Golden cases of `weir simulate`: one YAML file per case, written from the contract, its numbers worked out by hand in
// comments. This file turns the short form of a case into a catalog and events, and what was printed into the short form.
// It owns no expectation: every number is in the YAML files.

import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseDocument, visit } from 'yaml'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { simulateCommand } from '../../simulate/simulate-command.js'

type Fields = Record<string, unknown>

export interface GoldenCase {
  readonly name: string
  readonly claim: string
  readonly catalog: unknown
  readonly events: readonly unknown[]
  readonly as_of?: string
  /** False where the contract lets the order of arrival decide (the first of two conflicting events is kept). */
  readonly shuffle?: boolean
  readonly expect: Expectation
}

export interface Expectation {
  /** The counts that are not 0, without `received`. */
  readonly counts: Readonly<Record<string, number>>
  readonly charges: readonly Fields[]
  readonly dead?: readonly string[]
  readonly movements?: readonly Fields[]
  /** If left out, no entry is expected. */
  readonly notices?: readonly string[]
}

export interface Printed {
  readonly events: Readonly<Record<string, number>>
  readonly charges: readonly Readonly<Record<string, unknown>>[]
  readonly mrr_movements: readonly Readonly<Record<string, unknown>>[]
  readonly dead_letters: readonly Readonly<Record<string, string>>[]
  readonly notices: readonly { readonly id: string; readonly code: string; readonly pointer: string }[]
}

export function goldenCases(): GoldenCase[] {
  const folder = fileURLToPath(new URL('pipeline/testing/golden', packageRoot))
  return readdirSync(folder)
    .filter(file => file.endsWith('.yaml'))
    .sort()
    .map(file => readCase(file.replace('.yaml', ''), readFileSync(join(folder, file), 'utf8')))
}

function readCase(name: string, text: string): GoldenCase {
  const given = parseExactly(text) as Fields & { events: Fields[]; meters?: unknown[]; prices?: unknown[] }
  const sequences = new Map<string, number>()
  const events = given.events.map((event, index) => eventOf(event, index, sequences))
  return { ...(given as unknown as GoldenCase), name, events, catalog: given['catalog'] ?? catalogOf(given) }
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/** YAML whose numbers are handed on as they are written, not as JavaScript would write them. */
function parseExactly(text: string): unknown {
  const document = parseDocument(text)
  if (document.errors[0] !== undefined) throw document.errors[0]
  visit(document, {
    Scalar(_, node) {
      const { value, source } = node
      if (typeof value !== 'number' || source === undefined || source === String(value)) return
      if (jsonNumber.test(source)) node.value = new ExactNumber(source)
    },
  })
  return document.toJS()
}

/** `meters` may name an aggregation alone, which reads `n` of the events of type `use`. */
function catalogOf({ meters = [], prices = [], plan = {} }: Fields): unknown {
  const whole = (meters as unknown[]).map(meter => {
    if (typeof meter !== 'string') return { event_type: 'use', ...(meter as Fields) }
    const value = meter === 'count' ? {} : { value: 'n' }
    return { meter, event_type: 'use', aggregation: meter, ...value }
  })
  const terms = { plan: 'p', version: 1, currency: 'USD', billing_period: 'month', ...(plan as Fields) }
  return { meters: whole, plans: [{ ...terms, prices }] }
}

const changes = ['created', 'amended', 'renewed', 'suspended', 'resumed', 'cancelled']

function eventOf(event: Fields, index: number, sequences: Map<string, number>): unknown {
  if ('raw' in event) return event['raw']
  const id = `e${String(index).padStart(3, '0')}`
  const envelope = { specversion: '1.0', id, source: 'golden', subject: 'c1' }
  const kind = changes.find(one => one in event)
  if (kind !== undefined) {
    const { [kind]: data, at, seq, time, ...attributes } = event
    const own = (data ?? {}) as Fields
    const subscription = String(own['subscription_id'] ?? 's1')
    const sequence = (seq as number | undefined) ?? (sequences.get(subscription) ?? 0) + 1
    sequences.set(subscription, sequence)
    const required = {
      subscription_id: subscription,
      customer_id: attributes['subject'] ?? 'c1',
      sequence,
      effective_from: instant(at),
      ...(kind === 'created' ? { plan: 'p' } : {}),
    }
    const type = `weir.subscription.${kind}`
    return { ...envelope, type, time: instant(time ?? at), data: { ...required, ...own }, ...attributes }
  }
  if ('retract' in event) {
    const { retract, at, ...attributes } = event
    const data = { event_source: 'golden', event_id: retract }
    return { ...envelope, type: 'weir.usage.retracted', time: instant(at), data, ...attributes }
  }
  if ('charge' in event) {
    const { charge, at, ...attributes } = event
    const customer = attributes['subject'] ?? 'c1'
    const data = { customer_id: customer, effective_from: instant(at), ...(charge as Fields) }
    return { ...envelope, type: 'weir.charge.added', time: instant(at), data, ...attributes }
  }
  if ('cancel' in event) {
    const { cancel, at, ...attributes } = event
    const data = { customer_id: attributes['subject'] ?? 'c1', event_source: 'golden', event_id: cancel }
    return { ...envelope, type: 'weir.charge.cancelled', time: instant(at), data, ...attributes }
  }
  if ('amend' in event) {
    const { amend, at, as, ...attributes } = event
    const { time, ...rest } = as as Fields
    const amended = { ...rest, ...(time === undefined ? {} : { time: instant(time) }) }
    const data = { event_source: 'golden', event_id: amend, ...amended }
    return { ...envelope, type: 'weir.usage.amended', time: instant(at), data, ...attributes }
  }
  const { on, n, data, ...attributes } = event
  const own = { ...(n === undefined ? {} : { n }), ...((data ?? {}) as Fields) }
  return { ...envelope, type: 'use', time: instant(on), data: own, ...attributes }
}

/** A date alone is its midnight in UTC. */
export function instant(text: unknown): unknown {
  return typeof text === 'string' && text.length === 10 ? `${text}T00:00:00Z` : text
}

/** What `weir simulate --json` prints for a case, its events in the given order. */
export async function printed(one: GoldenCase, events: readonly unknown[]): Promise<Printed> {
  const folder = join(tmpdir(), `weir-golden-${randomUUID()}`)
  mkdirSync(folder)
  try {
    const catalog = join(folder, 'catalog.json')
    const file = join(folder, 'events.json')
    writeFileSync(catalog, stringifyJson(one.catalog))
    writeFileSync(file, stringifyJson(events))
    const args = one.as_of === undefined ? {} : { asOf: instant(one.as_of) as string }
    return JSON.parse(await run({ catalog: [catalog], events: [file], json: true, ...args }))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function run(args: Parameters<typeof simulateCommand>[0]): Promise<string> {
  let out = ''
  let problems = ''
  const stdout = { write: (text: string) => (out += text) }
  const stderr = { write: (text: string) => (problems += text) }
  const code = await simulateCommand(args, { stdout, stderr, isTTY: false })
  if (code !== 0) throw new Error(`exit code ${code}: ${problems}`)
  return out
}

/** Charges in the words of the cases, with no more fields than `like` has. */
export function shortCharges(charges: Printed['charges'], like: readonly Fields[]): Fields[] {
  const names = new Set(like.flatMap(charge => Object.keys(charge)))
  return charges.map(charge => {
    const period = charge['service_period'] as { from: string; until: string }
    const all: Fields = {
      ...charge,
      customer: charge['customer_id'],
      sub: charge['subscription_id'],
      from: date(period.from),
      until: date(period.until),
      q: charge['quantity'],
      rounded: charge['amount_rounded'],
    }
    return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)))
  })
}

export function shortMovements(movements: Printed['mrr_movements'], like: readonly Fields[]): Fields[] {
  const names = new Set(like.flatMap(movement => Object.keys(movement)))
  return movements.map(movement => {
    const all: Fields = {
      ...movement,
      customer: movement['customer_id'],
      sub: movement['subscription_id'],
      at: date(String(movement['effective_at'])),
      before: movement['mrr_before'],
      after: movement['mrr_after'],
    }
    return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)))
  })
}

function date(text: string): string {
  return text.replace('T00:00:00Z', '')
}

/** The same order for what was printed and for what was expected. */
export function sorted(list: readonly unknown[]): string[] {
  return list
    .map(item => JSON.stringify(Object.fromEntries(Object.entries(item as Fields).sort())))
    .sort()
}
