// The text form of a sealed value: `pd1.<generation>.<base64url>`. Who holds the customer's key can open it; without
// the key it says nothing. How it is made: pipeline/privacy/sealing-key.ts.

/** At least the 16 bytes of the authentication code. */
const form = /^pd1\.([1-9]\d{0,8})\.([A-Za-z0-9_-]{22,})$/

export interface SealedValue {
  /** Which of the customer's keys sealed it, from 1; an erased customer's next key has the next number. */
  readonly generation: number
  readonly bytes: Buffer
}

export function sealedText({ generation, bytes }: SealedValue): string {
  return `pd1.${generation}.${bytes.toString('base64url')}`
}

/** Undefined for any other text. */
export function parseSealed(text: string): SealedValue | undefined {
  const match = form.exec(text)
  if (match === null) return undefined
  return { generation: Number(match[1]), bytes: Buffer.from(match[2]!, 'base64url') }
}

export function isSealed(value: unknown): boolean {
  return typeof value === 'string' && form.test(value)
}
