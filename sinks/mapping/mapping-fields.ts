// What a mapping file may hold: the fields that a kind of connection names, and the facts of a record that rules match.

/** What rules can ask of a record or its line; `segment.<name>` comes beside them. */
export const mappingFacts = [
  'entity',
  'currency',
  'customer',
  'subscription',
  'plan',
  'price',
  'meter',
  'kind',
  'timing',
  'role',
  'account',
  'performance_obligation',
] as const
export type MappingFact = (typeof mappingFacts)[number]

export const segmentPrefix = 'segment.'

export interface MappingField {
  /** One line for people who write the mapping file. */
  readonly description: string
  /** The mapping file must have the field, or `weir validate` says so. */
  readonly required?: true
  /** The fact that the keys of a plain map stand for; without it the field is a list of rules. */
  readonly keyedBy?: MappingFact
  /** What the receiver takes as a value. */
  readonly pattern?: RegExp
}

export type MappingFields = Readonly<Record<string, MappingField>>
