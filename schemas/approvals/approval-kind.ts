// What can be held back for a second person. This file loads no other module, so that the help reads the settings quickly.

/**
 * `credit`: a billing batch that takes something back. `delivery`: one record on its way to a connection.
 */
export const approvalKinds = ['billing_batch', 'credit', 'redrive', 'delivery'] as const
export type ApprovalKind = (typeof approvalKinds)[number]

/** The kinds of records that connections are given now. */
export const heldRecordKinds = ['journal', 'release', 'batch_line'] as const
export type HeldRecordKind = (typeof heldRecordKinds)[number]
