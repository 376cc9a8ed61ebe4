// Five customers, of which rules of profiles count four differently, in GBP: who goes to a free plan, who had paid for
// longer, who comes and goes in one month, who comes back in it, and who moves to another subscription and uses something.

const movement = (
  customer: string,
  at: string,
  kind: string,
  amount: string,
  subscription = customer,
): object => ({
  movement_id: `${subscription} ${at}`,
  customer_id: customer,
  subscription_id: subscription,
  effective_at: `${at}T00:00:00Z`,
  kind,
  amount,
  currency: 'GBP',
})

const version = (customer: string, sequence: number, status: string, from: string): object => ({
  customer_id: customer,
  subscription_id: customer,
  sequence,
  status,
  effective_from: `${from}T00:00:00Z`,
})

const charge = (customer: string, from: string, until: string, amount: string, more: object): object => ({
  charge_id: `profile ${customer} ${from}`,
  customer_id: customer,
  subscription_id: customer,
  currency: 'GBP',
  period_from: `${from}T00:00:00Z`,
  period_until: `${until}T00:00:00Z`,
  amount_rounded: amount,
  ...more,
})
const usage = { kind: 'usage', timing: 'in_arrears', meter: 'tokens' }

/** Rows by table. */
export const profileExample: Readonly<Record<string, readonly object[]>> = {
  mrr_movements: [
    movement('free', '2026-01-10', 'new_business', '100'),
    movement('free', '2026-03-05', 'churn', '-100'),
    movement('free', '2026-04-02', 'reactivation', '60'),
    movement('paid', '2026-01-01', 'new_business', '50'),
    movement('paid', '2026-02-10', 'churn', '-50'),
    movement('brief', '2026-02-03', 'new_business', '30'),
    movement('brief', '2026-02-20', 'churn', '-30'),
    movement('back', '2026-04-03', 'new_business', '10'),
    movement('back', '2026-04-10', 'churn', '-10'),
    movement('back', '2026-04-20', 'reactivation', '10'),
    movement('moved', '2026-01-05', 'new_business', '40'),
    movement('moved', '2026-03-08', 'transfer', '-40'),
    movement('moved', '2026-03-08', 'transfer', '40', 'other'),
  ],
  subscription_versions: [
    version('free', 1, 'active', '2026-01-10'),
    version('free', 2, 'active', '2026-03-05'),
    version('paid', 1, 'active', '2026-01-01'),
    version('paid', 2, 'cancelled', '2026-02-10'),
    version('brief', 1, 'active', '2026-02-03'),
    version('brief', 2, 'cancelled', '2026-02-20'),
  ],
  charges: [
    charge('paid', '2026-02-01', '2026-03-01', '50', { kind: 'recurring', timing: 'in_advance' }),
    charge('moved', '2026-01-01', '2026-02-01', '7.5', usage),
    charge('moved', '2026-02-01', '2026-03-01', '9', usage),
  ],
}
