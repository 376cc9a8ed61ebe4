// The passwords of an embedded server's users: made at its first start, kept beside its data, one file per
// user that nobody but its owner can read, so that `$(cat …/passwords/analyst)` is all a person needs.
// Invariant: a password is written whole or not at all, and never changes by itself.

import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const passwordBytes = 24

export interface Login {
  readonly user: string
  readonly password: string
}

/** Makes a server's folder, or an existing one, inaccessible to other users of the machine. */
export function closedFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

/** The path of a user's password file. */
export function passwordFile(serverFolder: string, user: string): string {
  return join(serverFolder, 'passwords', user)
}

/** The logins of these users; passwords that are missing are made. */
export function keepPasswords<User extends string>(
  serverFolder: string,
  users: readonly User[],
): Record<User, Login> {
  closedFolder(join(serverFolder, 'passwords'))
  const logins: Partial<Record<User, Login>> = {}
  for (const user of users) logins[user] = { user, password: keptPassword(passwordFile(serverFolder, user)) }
  return logins as Record<User, Login>
}

/** Throws when the server was never started on this folder. */
export function readLogin(serverFolder: string, user: string): Login {
  return { user, password: readFileSync(passwordFile(serverFolder, user), 'utf8') }
}

function keptPassword(file: string): string {
  const unfinished = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(unfinished, randomBytes(passwordBytes).toString('base64url'), { mode: 0o600, flag: 'wx' })
  try {
    linkSync(unfinished, file) // never over one that is there
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(unfinished, { force: true })
  }
  chmodSync(file, 0o600)
  return readFileSync(file, 'utf8')
}
