// The kind `webhook`: its settings, and how its connector is made.

import type { Stopped } from '../connector.js'
import type { ConnectorKind, ConnectorParts, SecretSource } from '../connector-kind.js'
import type { Rate } from '../http/limiter.js'
import { plainUrl, rate, secretSource } from '../settings-parts.js'
import { keyOfSecret, type WebhookSecrets } from './config.js'

export interface WebhookSettings {
  readonly url: string
  /** Two secrets while one is being replaced by the other. */
  readonly auth: { readonly secrets: readonly SecretSource[] }
  readonly rate: Rate | undefined
}

export const webhookKind: ConnectorKind<WebhookSettings> = {
  kind: 'webhook',
  records: ['journals', 'batch_lines', 'summaries'],
  settings: z => ({
    url: plainUrl(z, 'a webhook is signed with auth.secrets'),
    auth: z.strictObject({ secrets: z.array(secretSource(z)).min(1).max(2) }),
    rate: rate(z),
  }),
  secretProblem: secret =>
    keyOfSecret(secret) === undefined ? 'no secret of 24 to 64 bytes in base64 behind whsec_' : undefined,
  async open({ url, auth }, parts) {
    const { WebhookConnector } = await import('./sink.js')
    const { limiter, rate, nowMs } = parts
    return new WebhookConnector({ url, limiter, rate, secrets: () => secretsOf(auth.secrets, parts) }, nowMs)
  },
}

function secretsOf(sources: readonly SecretSource[], { secret }: ConnectorParts): WebhookSecrets {
  const reads = sources.map(secret)
  const missing = reads.find((one): one is Stopped => one.kind === 'stopped')
  return missing ?? { kind: 'ok', secrets: reads.flatMap(one => (one.kind === 'ok' ? [one.secret] : [])) }
}
