// What can be held back for a second person. This file loads no other module, so that the help reads the settings quickly.

/** `credit`: whatever it is that takes something back, such as a billing batch with credits. */
export const approvalKinds = ['billing_batch', 'credit', 'redrive'] as const
export type ApprovalKind = (typeof approvalKinds)[number]
