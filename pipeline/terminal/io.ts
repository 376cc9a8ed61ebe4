// What a command writes to, and how it ends.

export interface Writer {
  write(text: string): unknown
}

export interface CliIo {
  readonly stdout: Writer
  readonly stderr: Writer
  /** Colours, progress bars: only when a person watches. */
  readonly isTTY: boolean
}

/** Exit codes, the same for every command. Contract section 5. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, badConfiguration: 78 } as const
