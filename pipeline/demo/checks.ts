// The demo's verdict: compares each figure of the pipeline with the one that was computed independently.

import { Decimal } from 'decimal.js'
import type { Figures } from './figures.js'
import type { IndependentSum } from './independent-sum.js'
import type { Expected } from './traffic.js'

export interface Check {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly ok: boolean
}

export function checksOf(figures: Figures, sum: IndependentSum, expected: Expected): Check[] {
  const received =
    figures.rated +
    figures.applied +
    figures.duplicate +
    figures.conflicting +
    figures.parked +
    figures.deadLettered
  return [
    check('events in = accepted by the gateway', expected.accepted, figures.received),
    check('events in = sum of what became of them', figures.received, received),
    check('events rated', expected.rated, figures.rated),
    check('lifecycle events applied', expected.applied, figures.applied),
    check('duplicates found', expected.duplicate, figures.duplicate),
    check('conflicts found', expected.conflicting, figures.conflicting),
    check('parked (no such customer)', expected.parked, figures.parked),
    check('dead letters (no usable value)', expected.deadLettered, figures.deadLettered),
    check('calls in ClickHouse', expected.rated, figures.calls),
    check('input tokens in ClickHouse', sum.inputTokens, figures.inputTokens),
    check('output tokens in ClickHouse', sum.outputTokens, figures.outputTokens),
    check('usage rated in ClickHouse', sum.usageAmount, figures.usageAmount),
    check('usage charged', sum.usageAmount, figures.chargedUsage),
    check('recurring charged', sum.recurringAmount, figures.chargedRecurring),
    check('invoiced, each charge to the cent', sum.invoiced, figures.invoiced),
    check('billing batches = charges', figures.invoiced, figures.batched),
    check('lines in batches = charges', figures.charges, figures.batchLines),
    check('journal entries = lines that move money', figures.linesToPost, figures.journalEntries),
    check('debits posted = invoiced', figures.invoiced, figures.debits),
    check('credits posted = debits', figures.debits, figures.credits),
    check('MRR at the end of the month', sum.mrr, figures.mrr),
  ]
}

function check(what: string, expected: string | number, found: string | number): Check {
  const wanted = new Decimal(expected)
  const got = new Decimal(found)
  return { what, expected: wanted.toFixed(), found: got.toFixed(), ok: wanted.equals(got) }
}
