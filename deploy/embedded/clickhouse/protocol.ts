// What the embedded ClickHouse's process and its parent say to each other over the channel.

import type { Role } from './access.js'

/** From the parent, once, first of all. */
export interface ChildStart {
  readonly dataDir: string
  /** For the rows of running inserts. The parent removes it when the child could not. */
  readonly spoolDir: string
  /** 0: any free one. */
  readonly port: number
  /** Of the analysts: they read this one and the system tables. */
  readonly database: string
  /** Of the whole engine; undefined: half of what the machine or the container has. */
  readonly maxMemoryBytes: number | undefined
  /** Web pages of these origins may send requests. */
  readonly origins: readonly string[]
  /** Who is let in, and as what. */
  readonly logins: readonly { readonly role: Role; readonly user: string; readonly password: string }[]
}

/** From the child, once. */
export type ChildReady =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly reason: string }
