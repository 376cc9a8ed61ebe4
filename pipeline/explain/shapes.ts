// The answers of the routes of explain, for the OpenAPI document. Their types are explanation.ts and charge-events.ts.

import { z } from 'zod'
import { resolutions } from '../../schemas/exception-kinds.js'
import { stationNames } from './explanation.js'

const text = z.string()
const instant = z.string().meta({ format: 'date-time' })
const amount = z.string().describe('An exact decimal')
const count = z.int()

const station = z.object({
  station: z.enum(stationNames),
  state: z.enum(['passed', 'waiting', 'refused', 'skipped', 'taken_back', 'not_reached']),
  at: instant.optional(),
  partition: count.optional(),
  ledger_sequence: count.optional().describe("The partition's commit"),
  reason: text,
  links: z.record(text, text),
})

const received = z.object({
  stream: text,
  sequence: count,
  held: z.boolean().describe('False: retention has removed the message'),
  stored_at: instant.optional(),
  nats_subject: text.optional(),
  content_type: text.optional(),
  content_encoding: text.optional(),
  message_bytes: count.optional(),
  position: count.optional().describe("Which of the message's events it is, from 1"),
  events_in_message: count.optional(),
  content: text.optional().describe('The event as it was sent: JSON with every digit'),
})

const attempt = z.object({
  input_stream: text,
  input_sequence: count,
  partition: count,
  ledger_sequence: count,
  received_at: instant,
  verdict: z.enum(['kept', 'duplicate', 'conflicting', 'refused']),
  code: text,
  detail: text,
  content_hash: text.optional(),
  kept_content_hash: text.optional(),
})

const version = z.object({
  subscription_id: text,
  sequence: count,
  chosen: z.boolean().describe('The event was rated on it'),
  holds: z.boolean().describe('It holds at the time of the event, as is known now'),
  why: text.describe('Why it holds for the event, or why another does'),
  change: text,
  status: text,
  plan: text,
  plan_version: count,
  effective_from: instant,
  effective_until: instant.nullable(),
  quantities: z.record(text, text),
  entity_id: text,
  event_source: text,
  event_id: text,
  partition: count,
  ledger_sequence: count,
  known_since: count.describe('The commit that wrote the version first'),
})

const arithmetic = z.object({
  quantity_before: amount
    .nullable()
    .describe('Of the charge before the commit; null where quantities do not add up'),
  quantity_after: amount.nullable(),
  amount_before: amount,
  amount_after: amount,
  events_in_commit: count,
  steps: z
    .array(z.object({ what: text, label: text, formula: text, values: z.record(text, text), result: text }))
    .nullable()
    .describe('Of the charge as it stands'),
  text: z.array(text),
  not_shown: text.nullable().describe('Why there are no steps'),
})

const delivery = z.object({
  delivery_id: text,
  connection: text,
  record_kind: text,
  record_id: text,
  state: text,
  external_id: text.describe("The receiver's own id"),
  changed_at: instant,
  attempt_count: count,
  code: text,
  detail: text,
})

const line = z.looseObject({
  charge_id: text,
  corrects: text,
  kind: text,
  amount,
  amount_rounded: amount,
  discount_amount: amount.describe('What coupons took off; amount is net of it'),
  currency: text,
  billing_run_id: text,
  recorded_at: instant,
  discounts: z
    .array(z.object({ code: text, amount }))
    .optional()
    .describe('What coupons took off; the amount is net of it'),
  makes_up_for: z
    .object({ bound: text, amount, counted: z.array(z.object({ price: text, amount })) })
    .optional()
    .describe('Of kind commitment: what the charges had to come to, and what they came to by price'),
  batches: z.array(z.looseObject({ batch_id: text, number: count, of: count })),
  journal: z.looseObject({ journal_id: text, accounting_date: text, amount }).optional(),
  recognition: z
    .object({
      deferred: amount,
      released: amount,
      remaining: amount.describe('Still deferred: the other two differ by it'),
      months: z.array(
        z.object({
          part: count,
          month: text.describe('First day of the month in which it is earned'),
          amount,
          release: z
            .object({
              journal_id: text,
              release_id: text.describe('The order that posted it'),
              accounting_date: text,
              moved_from: text,
              posted_at: instant,
              deliveries: z.array(delivery),
            })
            .optional()
            .describe('The entry that made it revenue; absent: it is still deferred'),
        }),
      ),
    })
    .optional()
    .describe('Of an entry that deferred revenue'),
  deliveries: z.array(delivery),
})

const charge = z.object({
  charge_id: text.describe("'' where no price wants the meter"),
  subscription_id: text,
  subscription_version: count,
  plan: text,
  plan_version: count,
  price: text,
  meter: text,
  value: text,
  period_from: instant,
  period_until: instant,
  entity_id: text,
  currency: text,
  quantity: amount,
  amount,
  rated_at: instant,
  partition: count,
  ledger_sequence: count,
  charge_amount: amount,
  charge_events: count,
  corrections: z
    .array(z.object({ at: instant, ledger_sequence: count, amount, cause_source: text, cause_id: text }))
    .describe('Of the charge as a whole, since other terms hold'),
  status: z.enum(['open', 'billed']),
  lines: z.array(line),
  arithmetic: arithmetic.nullable(),
})

const historyEntry = z.object({
  at: instant,
  partition: count,
  ledger_sequence: count,
  what: text,
  code: text,
  detail: text,
  event_count: count.describe('1: it became so; -1: it is so no more; 0: an amount was corrected'),
  amount: amount.optional(),
  currency: text.optional(),
  charge_id: text.optional(),
  meter: text.optional(),
})

const resolution = z.object({
  exception_id: text,
  exception_kind: text,
  resolution: z.enum(resolutions).describe('`undone`: the answer before it holds no longer'),
  code: text,
  job_id: text.describe("Of a redrive or its undo; else ''"),
  reason: text,
  key_id: text,
  key_name: text,
  resolved_at: instant,
})

export const explanationSchema = z
  .object({
    source: text,
    id: text,
    type: text,
    customer_id: text,
    time: text,
    correlation_id: text,
    disposition: text.describe(
      'By which it counts: rated, applied, duplicate, conflicting, parked, dead_lettered, unmetered',
    ),
    code: text,
    detail: text,
    is_retracted: z.boolean(),
    clickhouse_behind: count.describe('Messages of LEDGER that ClickHouse has not taken yet'),
    is_cut: z.boolean().describe('More rows name the event than are told'),
    stations: z.array(station),
    received: received.nullable(),
    arrival: z
      .object({ source: text, arrival_id: text, sequence: count.describe('Its place in ARRIVALS') })
      .nullable()
      .describe('What a system of record sent, of which it was made'),
    attempts: z.array(attempt),
    targeted_by: z.array(
      z.object({ source: text, id: text, type: text, disposition: text, code: text, at: instant }),
    ),
    caused: z.object({ rows: count }).nullable().describe('Corrections that name it as their cause'),
    versions: z.array(version),
    fields: z.record(text, z.array(z.object({ field: text, value: text, sequence: count }))),
    charges: z.array(charge),
    history: z.array(historyEntry),
    resolutions: z
      .array(resolution)
      .describe('Answers to its exceptions: discarded, redriven, undone; the oldest first'),
  })
  .meta({ id: 'EventExplanation' })

const at = { partition: 2, ledger_sequence: 17 }

export const explanationExample: z.input<typeof explanationSchema> = {
  source: 'api',
  id: 'e1',
  type: 'llm.request',
  customer_id: 'cus_1',
  time: '2026-02-01T00:00:00Z',
  correlation_id: '',
  disposition: 'unmetered',
  code: 'no_meter',
  detail: '',
  is_retracted: false,
  clickhouse_behind: 0,
  is_cut: false,
  stations: [
    { station: 'received', state: 'passed', at: '2026-02-01T00:00:01Z', reason: 'It came once.', links: {} },
    {
      station: 'attached',
      state: 'skipped',
      at: '2026-02-01T00:00:02Z',
      ...at,
      reason: 'No meter reads events of its type.',
      links: {},
    },
  ],
  received: { stream: 'METERING', sequence: 4711, held: false },
  arrival: null,
  attempts: [
    {
      input_stream: 'METERING',
      input_sequence: 4711,
      ...at,
      received_at: '2026-02-01T00:00:01Z',
      verdict: 'kept',
      code: 'no_meter',
      detail: '',
    },
  ],
  targeted_by: [],
  caused: null,
  versions: [],
  fields: {},
  charges: [],
  history: [
    { at: '2026-02-01T00:00:02Z', ...at, what: 'unmetered', code: 'no_meter', detail: '', event_count: 1 },
  ],
  resolutions: [],
}

export const chargeEventsSchema = z
  .object({
    charge_id: text,
    customer_id: text,
    subscription_id: text,
    price: text,
    meter: text,
    period_from: instant,
    period_until: instant,
    currency: text,
    amount: amount.describe('What the charge comes to before coupons: the sum of all pages'),
    discount_amount: amount.describe('What coupons took off it in the lines that billed it'),
    event_count: count,
    events: z.array(
      z.object({
        event_source: text,
        event_id: text,
        time: instant,
        events: count.describe('1: it counts; 0: it was taken back, or is a correction that names its cause'),
        quantity: amount,
        amount,
        correlation_id: text,
      }),
    ),
    lines: z.array(line).describe('How it was billed, posted, released and delivered; on every page'),
    next_cursor: text.nullable(),
  })
  .meta({ id: 'ChargeEvents' })

export const chargeEventsExample: z.input<typeof chargeEventsSchema> = {
  charge_id: 'ch_1f0c',
  customer_id: 'cus_1',
  subscription_id: 'sub_1',
  price: 'tokens',
  meter: 'tokens',
  period_from: '2026-02-01T00:00:00Z',
  period_until: '2026-03-01T00:00:00Z',
  currency: 'USD',
  amount: '0.000015',
  discount_amount: '0',
  event_count: 1,
  events: [
    {
      event_source: 'api',
      event_id: 'e1',
      time: '2026-02-01T00:00:00Z',
      events: 1,
      quantity: '5',
      amount: '0.000015',
      correlation_id: '',
    },
  ],
  lines: [],
  next_cursor: null,
}
