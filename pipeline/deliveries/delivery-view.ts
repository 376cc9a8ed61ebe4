// A delivery as the API and the command line show it.

import { z } from 'zod'
import { deliveryStates } from '../../schemas/billing/delivery.js'

const deliveryShape = {
  delivery_id: z.string(),
  connection: z.string(),
  record: z.object({ kind: z.string(), id: z.string() }),
  key: z.string().describe('As the receiver has it'),
  state: z.enum(deliveryStates),
  at: z.iso.datetime().describe('When it came into this state'),
  began_at: z.iso.datetime().describe('When the connection took the record in'),
  external_id: z.string().describe("The receiver's own id; empty: not known"),
  customer_id: z.string(),
  entity_id: z.string(),
  correlation_id: z.string().describe('Of the record; empty: none'),
  attempt_count: z.int().describe('Sendings and look-ups'),
  code: z.string().describe('Of the last answer, or of what holds it'),
  detail: z.string().describe("The receiver's words, or what holds it"),
}

const historySchema = z.object({
  at: z.iso.datetime(),
  state: z.enum(deliveryStates),
  attempts: z.int(),
  outcome: z.string().describe('Of the last sending or look-up by then'),
  code: z.string(),
  detail: z.string(),
})

export const behindSchema = z
  .int()
  .describe('Messages about deliveries that ClickHouse has yet to get; above 0, some may have gone on since')

export const deliverySchema = z.object(deliveryShape).meta({ id: 'Delivery' })
export const oneDeliverySchema = z
  .object({
    ...deliveryShape,
    history: z.array(historySchema).describe('Its changes, the oldest first'),
    next: z.string().describe('What is done next, and by whom'),
    behind: behindSchema,
  })
  .meta({ id: 'DeliveryWithHistory' })

export type DeliveryView = z.output<typeof deliverySchema>
export type HistoryView = z.output<typeof historySchema>
export type OneDeliveryView = z.output<typeof oneDeliverySchema>

export const deliveryExample: DeliveryView = {
  delivery_id: 'dl_5c1f0e9a7b3d2c4f6a8e0b1d',
  connection: 'books',
  record: { kind: 'journal', id: 'je_0f2a' },
  key: 'je_0f2a',
  state: 'refused',
  at: '2026-11-02T08:00:00.000Z',
  began_at: '2026-11-02T07:59:58.000Z',
  external_id: '',
  customer_id: 'acme',
  entity_id: 'de',
  correlation_id: 'quote-17',
  attempt_count: 1,
  code: 'period_closed',
  detail: 'HTTP 400: The posting period for this date is closed.',
}

export function nextOf({ state, code }: Pick<DeliveryView, 'state' | 'code'>): string {
  switch (state) {
    case 'waiting':
      return 'It is sent when its turn comes.'
    case 'sending':
    case 'unclear':
      return 'It is looked up at the receiver by its key before anything else happens to it. Where that tells nothing, look yourself: `weir deliveries settle`.'
    case 'written':
      return 'The receiver has it and has yet to post it.'
    case 'refused':
      if (code === 'rejected_by_approval') return 'It never leaves: a second person has rejected it.'
      if (code === 'original_discarded')
        return 'The record that it comes after was discarded: `weir deliveries retry` sends it all the same, or discard it too.'
      return 'Mend the reason, then `weir deliveries retry`.'
    case 'held':
      return heldNext(code)
    case 'posted':
    case 'superseded':
      return 'Nothing.'
    default:
      return state satisfies never
  }
}

export const discardedNext =
  'Nothing: its exception was discarded, so it is not sent. `weir exceptions undo` takes that back.'

function heldNext(code: string): string {
  if (code === 'waits_for_record')
    return 'Mend the record that it comes after; `weir deliveries release` lets it go without.'
  if (code === 'waiting_approval') return 'A second person decides: `weir approvals`.'
  return 'It goes when what holds it ends: `weir sinks ls`, `weir mode`.'
}
