// An audit trail in memory, for tests of what records its acts there.

import type { AuditAct, PublishingTrail } from '../gateway/audit-trail.js'

export class Acts implements PublishingTrail {
  readonly acts: AuditAct[] = []
  readonly published: PublishingTrail['published'] = async (caller, ndjson) => {
    const lines = Buffer.from(ndjson).toString('utf8').trimEnd().split('\n')
    for (const line of lines) {
      const { type, id } = JSON.parse(line) as { type: string; id: string }
      this.acts.push({ caller, act: type.replace(/^weir\./, ''), object: { kind: 'event', id } })
    }
  }

  async record(act: AuditAct): Promise<void> {
    this.acts.push(act)
  }
}
