// The port for the ids that other systems have for our customers. pipeline/identities fills the store behind it.

/** The systems of `external_ids` of a customer: contract 2. */
export const externalSystems = ['crm', 'billing', 'erp'] as const
export type ExternalSystem = (typeof externalSystems)[number]

export type ExternalIds = Readonly<Partial<Record<ExternalSystem, string>>>

export interface CustomerIds {
  /** Empty for a customer without any. Rejects when the store does not answer. */
  of(customerId: string): Promise<ExternalIds>
}
