// The checks of a customer that hold things back. Apart from their schemas, because settings name them and a command that
// only prints its help loads no parser.

export const gates = ['kyc', 'kyb', 'aml', 'vat'] as const
export type Gate = (typeof gates)[number]
