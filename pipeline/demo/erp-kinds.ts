// The kinds of connection that `weir demo --erp` has a fake receiver for: those that take journals. Loaded by every command.

export const fakeErps = [
  'netsuite',
  'sap_s4',
  'dynamics_finance',
  'business_central',
  'oracle_fusion',
  'intacct',
  'quickbooks',
  'xero',
] as const
export type FakeErpKind = (typeof fakeErps)[number]
