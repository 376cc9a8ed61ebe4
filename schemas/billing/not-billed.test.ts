// What runs left out is counted once, until a run has billed it.

import { expect, test } from 'vitest'
import type { HeldBack } from './held-back.js'
import { type KeptRun, notBilled } from './not-billed.js'

const november = '2026-11-01T00:00:00Z'
const acme: HeldBack = {
  ...{ customer_id: 'acme', subscription_id: null, entity_id: 'de', currency: 'EUR' },
  ...{ line_count: 2, amount_rounded: '33.46', first_date: '2026-10-31', last_date: '2026-11-01' },
}

interface Facts {
  readonly cutoff?: string
  readonly entity?: string
  readonly customer?: string
  readonly preview?: boolean
  readonly left?: readonly HeldBack[]
  readonly isOpen?: boolean
}

let runs = 0

function run({ cutoff = november, entity, customer, preview = false, left = [], isOpen }: Facts): KeptRun {
  runs += 1
  const billing_run_id = `br_${runs}`
  return {
    record: {
      ...{
        billing_run_id,
        cutoff,
        preview,
        partitions: 1,
        ordered: true,
        ledger_after: 0,
        requested_by: null,
      },
      ...{ entity_id: entity ?? null, customer_id: customer ?? null, held: [] },
      ...{ requested_at: november, after: { METERING: [], LIFECYCLE: [] } },
    },
    progress: {
      ...{ billing_run_id, sealed_partitions: [0], held_back: [...left] },
      ...(isOpen === true ? {} : { batches: [] }),
    },
  }
}

test('what a run left out stays until a run that takes it in has billed it', () => {
  const first = run({ left: [acme] })
  const told = { ...acme, billing_run_id: first.record.billing_run_id, cutoff: november }
  expect(notBilled([first])).toEqual([told])
  const others = [
    run({ cutoff: '2026-10-15T00:00:00Z' }),
    run({ entity: 'us' }),
    run({ customer: 'else' }),
    run({ preview: true }),
    run({ isOpen: true }),
  ]
  expect(notBilled([first, ...others])).toEqual([told])
  for (const bills of [
    run({}),
    run({ entity: 'de' }),
    run({ customer: 'acme' }),
    run({ cutoff: '2026-12-01T00:00:00Z' }),
  ])
    expect(notBilled([first, ...others, bills])).toEqual([])
})

test('what is left out again is told as the last run tells it', () => {
  const more = { ...acme, line_count: 3, amount_rounded: '50' }
  const last = run({ cutoff: '2026-12-01T00:00:00Z', left: [more] })
  const { billing_run_id, cutoff } = last.record
  expect(notBilled([run({ left: [acme] }), last])).toEqual([{ ...more, billing_run_id, cutoff }])
})
