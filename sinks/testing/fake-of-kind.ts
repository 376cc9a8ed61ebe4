// Finds the fake of a kind by the place that every connector has for it: sinks/<kind>/testing/fake.ts with `startFake`, where
// `-` stands for `_` in the folder.

import type { FakeServer } from './fake-server.js'

export interface StartedFake {
  readonly fake: FakeServer
  /** Settings of a connection to it, as in a configuration. */
  readonly connection: Readonly<Record<string, unknown>>
  /** The secrets by the variables that the settings name. */
  readonly secrets: Readonly<Record<string, string>>
  readonly mapping?: string
  /** Our customers that the mapping knows; absent: acme. */
  readonly customers?: readonly string[]
}

/** What each sinks/<kind>/testing/fake.ts exports. */
export type StartFake = (port: number, variant?: string) => Promise<StartedFake>

/** `kind`: with a variant of the fake after a colon where it has some, such as `stripe:meter_events`. */
export async function fakeOf(kind: string, port = 0): Promise<StartedFake> {
  const [name = '', variant] = kind.split(':')
  const folder = name.replaceAll('_', '-')
  const { startFake } = (await import(`../${folder}/testing/fake.js`)) as { readonly startFake: StartFake }
  return startFake(port, variant)
}
