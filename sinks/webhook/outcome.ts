// What a receiver of webhooks means by its answer: any 2xx is a yes, 410 says that nobody wants the messages any more.

import type { PutOutcome } from '../connector.js'
import { outcomeOfAnswer } from '../http/outcome.js'
import type { HttpAnswer } from '../http/request.js'

export function outcomeOfWebhook(
  answer: HttpAnswer,
  key: string,
  redact: (text: string) => string,
  nowMs: number,
): PutOutcome {
  if (answer.kind === 'answer' && answer.status === 410) {
    const detail = `the receiver answers 410, it is gone: ${redact(answer.body)}`
    return { kind: 'stopped', code: 'receiver_gone', detail }
  }
  // A receiver of webhooks has no id of its own to tell: ours is the one that both know.
  return outcomeOfAnswer(answer, redact, nowMs) ?? { kind: 'accepted', externalId: key }
}
