// The end of the story, worked out by hand from deal.ts and the documentation, never from what a run printed.
//
// TERMS. A tenth off: base 100 -> 90 and seats 20 -> 18 in pro; base 250 -> 225 and seats 20 -> 18 in scale. Days are days in Berlin:
// 1 October begins at 22:00 UTC on 30 September, 16 October at 22:00 on the 15th, 1 November at 23:00 on 31 October (the clock went
// back on the 25th). The first year ends with 30 September 2027.
//   from 1 October   pro, 5 seats      90 + 5 x 18        = 180 a month     +180
//   from 16 October  scale, 8 seats    225 + 8 x 18       = 369             +189
//   from 1 April     scale, 10 seats   225 + 10 x 18      = 405             +36
//   from 1 October 2027                nothing            = 0               -405
//
// OCTOBER, prorated by day: 15 days of 31 are pro, 16 are scale.
//   base   pro    90 x 15/31 = 1350/31 =  43.548387096774    43.55
//   base   scale 225 x 16/31 = 3600/31 = 116.129032258065   116.13    (…064516 to twelve places)
//   seats  pro    90 x 15/31 = 1350/31 =  43.548387096774    43.55
//   seats  scale 144 x 16/31 = 2304/31 =  74.322580645161    74.32
//   calls  pro   700 + 500 + 50 = 1250: 1000 x 0.01 + 250 x 0.005      = 11.25
//   calls  scale 300 + 900 + 100 = 1300, less 200 free: 1100 x 0.004   =  4.40    (the 40 of 1 November are not due)
// NOVEMBER in advance: base 225, seats 8 x 18 = 144.
//   rounded: 43.55 + 116.13 + 43.55 + 74.32 + 11.25 + 4.40 + 225 + 144 = 662.20
//   exact:   2 x 43.548387096774 + 116.129032258065 + 74.322580645161 + 15.65 + 369 = 662.198387096774
//
// BOOKS. In advance: the receivable (1200) against deferred revenue (2400) on the first day, released to revenue (4000) on the last day
// that it earns within October; November is not over. Usage: against 4010 on its last day. 8 journals and 4 releases:
//   1200 662.20; 2400 -(646.55 - 277.55) = -369; 4000 -277.55; 4010 -15.65: together 0.
//
// PAYMENT. One invoice of the eight items; two tries that fail (2 x 662.20 = 1324.40), the third succeeds. Nothing is left.

import type { End } from './end.js'

const version = (effective: string, plan: string, seats: string, mrr: string) => ({
  effective,
  plan,
  seats,
  mrr,
})

export const expected: End = {
  versions: [
    version('2026-09-30 22:00:00', 'pro', '5', '180'),
    version('2026-10-15 22:00:00', 'scale', '8', '369'),
    version('2027-03-31 22:00:00', 'scale', '10', '405'),
  ],
  charges: [
    'pro base 2026-10-01 2026-10-16 1 43.548387096774 43.55 closed',
    'pro calls 2026-10-01 2026-10-16 1250 11.25 11.25 closed',
    'pro seats 2026-10-01 2026-10-16 5 43.548387096774 43.55 closed',
    'scale base 2026-10-16 2026-11-01 1 116.129032258065 116.13 closed',
    'scale base 2026-11-01 2026-12-01 1 225 225 closed',
    'scale calls 2026-10-16 2026-11-01 1300 4.4 4.4 closed',
    'scale seats 2026-10-16 2026-11-01 8 74.322580645161 74.32 closed',
    'scale seats 2026-11-01 2026-12-01 8 144 144 closed',
  ],
  lines: [
    '2026-10-01 43.548387096774 43.55',
    '2026-10-01 43.548387096774 43.55',
    '2026-10-15 11.25 11.25',
    '2026-10-16 116.129032258065 116.13',
    '2026-10-16 74.322580645161 74.32',
    '2026-10-31 4.4 4.4',
    '2026-11-01 144 144',
    '2026-11-01 225 225',
  ],
  batches: [
    { entity_id: 'de', currency: 'EUR', line_count: 8, amount: '662.198387096774', rounded: '662.2' },
  ],
  mrr: [
    '2026-09-30 22:00:00 180',
    '2026-10-15 22:00:00 189',
    '2027-03-31 22:00:00 36',
    '2027-09-30 22:00:00 -405',
  ],
  stripe: [
    'cus_acme 2026-10-01/2026-10-15 1125 eur',
    'cus_acme 2026-10-01/2026-10-15 4355 eur',
    'cus_acme 2026-10-01/2026-10-15 4355 eur',
    'cus_acme 2026-10-16/2026-10-31 11613 eur',
    'cus_acme 2026-10-16/2026-10-31 440 eur',
    'cus_acme 2026-10-16/2026-10-31 7432 eur',
    'cus_acme 2026-11-01/2026-11-30 14400 eur',
    'cus_acme 2026-11-01/2026-11-30 22500 eur',
  ],
  netsuite: [
    '2026-10-01: 1200 43.55, 2400 -43.55',
    '2026-10-01: 1200 43.55, 2400 -43.55',
    '2026-10-15: 1200 11.25, 4010 -11.25',
    '2026-10-15: 2400 43.55, 4000 -43.55',
    '2026-10-15: 2400 43.55, 4000 -43.55',
    '2026-10-16: 1200 116.13, 2400 -116.13',
    '2026-10-16: 1200 74.32, 2400 -74.32',
    '2026-10-31: 1200 4.4, 4010 -4.4',
    '2026-10-31: 2400 116.13, 4000 -116.13',
    '2026-10-31: 2400 74.32, 4000 -74.32',
    '2026-11-01: 1200 144, 2400 -144',
    '2026-11-01: 1200 225, 2400 -225',
  ],
  payments: [
    'pi_october failed 662.2 in_october insufficient_funds',
    'pi_october failed 662.2 in_october do_not_honor',
    'pi_october succeeded 662.2 in_october ',
  ],
  collections: [
    {
      ...{ entity_id: 'de', currency: 'EUR', invoiced: '662.2', collected: '662.2', failed: '1324.4' },
      ...{ outstanding: '0', overdue: '0', unapplied: '0' },
    },
  ],
  account: {
    ...{ Id: '001000000000001', Weir_Outstanding__c: 0, Weir_Overdue__c: 0, Weir_Dunning__c: 'none' },
    ...{ Weir_Exceptions__c: 0, Weir_Note__c: 'a0Q000000000001AAA' },
  },
  // A payment intent of Stripe names its invoice and has nothing of ours; the invoice has.
  withoutCorrelation: { payments: 3 },
  exceptions: 0,
  reconciled: [],
}

/** What the CRM's account says while the invoice is due and its first try has failed. */
export const expectedWhileFailing = {
  ...{ Weir_Outstanding__c: 662.2, Weir_Overdue__c: 662.2, Weir_Dunning__c: 'retrying' },
  Weir_Note__c: 'a0Q000000000001AAA',
}
