// The kind `file`: its settings, and how its connector is made.

import { resolve } from 'node:path'
import type { ConnectorKind } from '../connector-kind.js'
import { type FileFormat, fileFormats } from './config.js'

export interface FileSettings {
  /** Belongs to this connection alone. */
  readonly folder: string
  readonly format: FileFormat
}

export const fileKind: ConnectorKind<FileSettings> = {
  kind: 'file',
  records: ['journals', 'batch_lines', 'summaries'],
  exclusive: 'folder',
  settings: z => ({
    folder: z.string().min(1),
    format: z.enum(fileFormats),
    url: z.never('a file connection has a folder').optional(),
    auth: z.never('a file connection has no credentials').optional(),
    rate: z.never('a file connection has no rate').optional(),
  }),
  async open({ folder, format }, parts) {
    const { FilesConnector } = await import('./sink.js')
    return new FilesConnector({ folder: resolve(parts.folder, folder), format })
  },
}
