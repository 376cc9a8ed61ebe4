// The figures that people watch, as data: unit, the target that holds unless the settings say another, and where the value
// comes from. What each means and which columns it reads is docs/kpis.md; a test holds page and list together.

export type Unit = 'ratio' | 'seconds' | 'items' | 'money' | 'days'

export interface FigureDefinition {
  readonly title: string
  readonly unit: Unit
  /** Whether the value ought to be at least the target, or at most. */
  readonly better: 'at_least' | 'at_most'
  /** A decimal in the unit. */
  readonly target: string
  /** The view, or a metric of this process with what becomes of its series. */
  readonly from: 'kpi_daily' | { readonly metric: string; readonly take: 'greatest' | 'sum' }
  /** What tells of it: named where the figure is not known. */
  readonly source: string
}

const business = {
  activation_success: ofView(
    'subscriptions activated',
    'ratio',
    'at_least',
    '0.99',
    'weir.subscription.created events',
  ),
  quote_to_subscription_seconds: ofView(
    'quote to subscription',
    'seconds',
    'at_most',
    '86400',
    'an earlier event with the correlation id of a weir.subscription.created event',
  ),
  amendment_seconds: ofView(
    'amendment to its effect',
    'seconds',
    'at_most',
    '3600',
    'weir.subscription.amended events',
  ),
  failed_renewals: ofView('renewals refused', 'items', 'at_most', '0', 'weir.subscription.renewed events'),
  invoice_to_posting_seconds: ofView(
    'invoice lines to journal',
    'seconds',
    'at_most',
    '3600',
    'journal entries of billing batches (erp.accounts)',
  ),
  payment_to_cash_seconds: ofView(
    'payment to paid invoice',
    'seconds',
    'at_most',
    '86400',
    'weir.payment.succeeded and weir.invoice.paid events of one invoice',
  ),
  posting_accuracy: ofView(
    'charges posted right',
    'ratio',
    'at_least',
    '1',
    'journal entries of billing batches (erp.accounts)',
  ),
  posting_mismatches: ofView(
    'charges posted wrong or passed over',
    'items',
    'at_most',
    '0',
    'journal entries of billing batches (erp.accounts)',
  ),
  payment_recovery: ofView(
    'failed payments recovered',
    'ratio',
    'at_least',
    '0.5',
    'weir.payment.failed events',
  ),
  unapplied_cash: ofView('cash without an invoice', 'money', 'at_most', '0', 'weir.payment.succeeded events'),
  missing_invoices: ofView(
    'billed and not invoiced',
    'items',
    'at_most',
    '0',
    'billing batches and weir.invoice.finalized events',
  ),
  tax_exceptions: ofView(
    'tax exceptions',
    'items',
    'at_most',
    '0',
    'refusals with a code that begins with tax_; no connector of taxes is here yet',
  ),
  days_to_close: ofView(
    'days to close a month',
    'days',
    'at_most',
    '5',
    'journal entries made after the end of their month',
  ),
}

const technical = {
  partitions_stopped: ofMetric('partitions stopped', 'items', '0', 'weir_partition_stopped', 'sum'),
  partition_lag_seconds: ofMetric(
    'oldest input not committed',
    'seconds',
    '120',
    'weir_partition_lag_seconds',
    'greatest',
  ),
  conservation_difference_events: ofMetric(
    'events without one disposition',
    'items',
    '0',
    'weir_conservation_difference_events',
    'sum',
  ),
  sink_lag_seconds: ofMetric(
    'oldest message not delivered',
    'seconds',
    '300',
    'weir_sink_lag_seconds',
    'greatest',
  ),
  connection_oldest_seconds: ofMetric(
    'oldest record on its way',
    'seconds',
    '3600',
    'weir_connection_oldest_seconds',
    'greatest',
  ),
  records_set_aside: ofMetric('records set aside by a sink', 'items', '0', 'weir_sink_refused', 'sum'),
  exceptions_open: ofMetric('exceptions not answered', 'items', '0', 'weir_exceptions_open', 'sum'),
  exception_oldest_seconds: ofMetric(
    'oldest exception not answered',
    'seconds',
    '259200',
    'weir_exception_oldest_seconds',
    'greatest',
  ),
  dead_letters_open: ofMetric('dead letters', 'items', '0', 'weir_dead_letters_open', 'sum'),
}

export type FigureName = keyof typeof business | keyof typeof technical

export const figures: Readonly<Record<FigureName, FigureDefinition>> = { ...business, ...technical }

export const figureNames = Object.keys(figures) as FigureName[]

function ofView(
  title: string,
  unit: Unit,
  better: FigureDefinition['better'],
  target: string,
  source: string,
): FigureDefinition {
  return { title, unit, better, target, from: 'kpi_daily', source }
}

function ofMetric(
  title: string,
  unit: Unit,
  target: string,
  metric: string,
  take: 'greatest' | 'sum',
): FigureDefinition {
  return { title, unit, better: 'at_most', target, from: { metric, take }, source: `the metric ${metric}` }
}
