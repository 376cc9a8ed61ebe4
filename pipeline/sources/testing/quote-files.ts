// The mapping file and the catalog of the tests of CRMs: a bundle, seats by the unit, a support fee, a rate for calls.

export const quoteCatalog = `meters:
  - { meter: calls, event_type: api.call, aggregation: count }
plans:
  - plan: pro
    version: 1
    currency: EUR
    billing_period: month
    prices:
      - { price: base, kind: recurring, amount: "100", per: subscription, timing: in_advance }
      - { price: seats, kind: recurring, amount: "20", per: unit, timing: in_advance, default_quantity: "0" }
      - { price: support, kind: recurring, amount: "50", per: subscription, timing: in_advance }
      - { price: calls, kind: usage, meter: calls, model: per_unit, unit_amount: "0.01" }
      - { price: tiered, kind: usage, meter: calls, model: graduated, tiers: [ { up_to: null, unit_amount: "0.01" } ] }
  - plan: basic
    version: 1
    currency: EUR
    billing_period: month
    prices:
      - { price: base, kind: recurring, amount: "10", per: subscription, timing: in_advance }
`

export const quoteMapping = `timezone: Europe/Berlin
catalog: catalog.yaml
entity: { map: { Germany: de, America: us } }
terms: [Net 30, Net 60]
sells_to: { de: [DE, AT], us: [US] }
billing_frequency: { Monthly: month, Annual: year }
products:
  - { product: PRO, plan: pro }
  - { product: BASIC, plan: basic }
  - { product: [SEAT, SEAT-2], price: seats }
  - { product: SUPPORT, price: support }
  - { product: CALLS, price: calls }
  - { product: TIERED, price: tiered }
  - { product: SETUP, ignore: it is billed by hand }
`
