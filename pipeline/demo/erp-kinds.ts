// The kinds of connection that `weir demo --erp` has a fake receiver for: those that take journals. Loaded by every command.

export const fakeErps = ['netsuite', 'business_central', 'dynamics_finance', 'quickbooks', 'xero'] as const
export type FakeErpKind = (typeof fakeErps)[number]
