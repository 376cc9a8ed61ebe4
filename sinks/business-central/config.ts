// The settings of a Business Central connection, as its connector takes them.

import type { EntraAuth } from '../oauth/entra-settings.js'

export interface BusinessCentralSettings {
  /** `https://api.businesscentral.dynamics.com/v2.0/<tenant>/<environment>/api/v2.0`. */
  readonly url: string
  /** The id of the company. */
  readonly company: string
  readonly auth: EntraAuth
  /**
   * `automatic`: each entry stands in a general journal of its own, which we post. With a journal (its code): all entries go
   * there, and people post it.
   */
  readonly posting: 'automatic' | { readonly journal: string }
  /** The codes of the dimensions that `dimension_1`, `dimension_2`, … of the mapping stand for. */
  readonly dimensions: readonly string[]
}
