// The port of the store for refresh tokens that change with each use. pipeline/connections keeps them, encrypted.
// Invariant: a write counts only on top of the revision that was read, so that of two processes one wins.

export interface KeptToken {
  readonly refreshToken: string
  /** A hash of the token in the configuration that it descends from: another one there is newer than what is kept. */
  readonly descendsFrom: string
}

export interface TokenStore {
  /** `revision` is 0 where nothing is kept. Rejects when the store does not answer or cannot be decrypted. */
  read(): Promise<{ readonly kept: KeptToken | undefined; readonly revision: number }>
  /** False: somebody else wrote in the meantime. */
  write(kept: KeptToken, revision: number): Promise<boolean>
}
