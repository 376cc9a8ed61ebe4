// What each role watches, as data: the figures of its list, in the order in which they are shown.

import type { FigureName } from './figures.js'

export const roleNames = ['finance', 'integration', 'platform'] as const
export type Role = (typeof roleNames)[number]

export const listOf: Readonly<Record<Role, readonly FigureName[]>> = {
  finance: [
    'invoice_to_posting_seconds',
    'posting_accuracy',
    'posting_mismatches',
    'missing_invoices',
    'payment_to_cash_seconds',
    'payment_recovery',
    'unapplied_cash',
    'tax_exceptions',
    'failed_renewals',
    'exception_oldest_seconds',
    'days_to_close',
  ],
  integration: [
    'activation_success',
    'quote_to_subscription_seconds',
    'amendment_seconds',
    'failed_renewals',
    'tax_exceptions',
    'missing_invoices',
    'sink_lag_seconds',
    'connection_oldest_seconds',
    'records_set_aside',
    'exceptions_open',
    'exception_oldest_seconds',
    'dead_letters_open',
  ],
  platform: [
    'partitions_stopped',
    'partition_lag_seconds',
    'sink_lag_seconds',
    'conservation_difference_events',
    'records_set_aside',
    'dead_letters_open',
  ],
}

/** The roles that have the figure on their list. */
export function rolesOf(figure: FigureName): readonly Role[] {
  return roleNames.filter(role => listOf[role].includes(figure))
}
