// The names of a setting, and the section of the file that a feature brings. This file loads no other module,
// so that the help can list every setting quickly.

import type { z } from 'zod'

export interface Setting {
  /** Path in the file. */
  readonly path: readonly string[]
  readonly kind: 'text' | 'number' | 'list'
  /** A path on disk: relative to the file that names it, else to the working directory. */
  readonly isPath: boolean
  readonly variable: string
}

export function setting(path: string, kind: Setting['kind'] = 'text', isPath = false): Setting {
  return {
    path: path.split('.'),
    kind,
    isPath,
    variable: `WEIR_${path.replaceAll('.', '_').toUpperCase()}`,
  }
}

export interface SettingsSection<T = unknown> {
  /** Its key in the file. */
  readonly name: string
  /** The settings of the section that a variable or a flag can set. */
  readonly settings: readonly Setting[]
  /**
   * Called with zod when a configuration is read. The schema has a default for a file without the section.
   */
  readonly schema: (zod: typeof z) => z.ZodType<T>
  /** What is wrong with it beside other sections; `values`: all sections as their schemas read them. */
  readonly against?: (values: Readonly<Record<string, unknown>>) => readonly SectionProblem[]
}

export interface SectionProblem {
  readonly path: readonly PropertyKey[]
  readonly code: string
  readonly message: string
}
