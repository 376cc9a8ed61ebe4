// The settings of a file connection.

export const fileFormats = ['ndjson', 'csv', 'parquet'] as const
export type FileFormat = (typeof fileFormats)[number]

export interface FilesConfig {
  /** Absolute; made when it is not there. It belongs to one connection. */
  readonly folder: string
  readonly format: FileFormat
}
