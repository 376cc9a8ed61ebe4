// What a shadow cannot do, with a stable code.

export type ShadowRefusalCode = 'no_state' | 'shadow_too_large' | 'history_not_delivered' | 'input_purged'

export class ShadowRefusal extends Error {
  override readonly name = 'ShadowRefusal'
  readonly code: ShadowRefusalCode

  constructor(code: ShadowRefusalCode, detail: string) {
    super(detail)
    this.code = code
  }
}
