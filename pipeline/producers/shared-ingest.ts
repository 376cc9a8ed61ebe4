// The path `/v1/ingest`, which Orb and Metronome share, for clients of which only the host can be changed. Metronome sends a
// list, Orb an object, so that the body says whose it is; a refusal has the members that both read.

import { z } from 'zod'
import type { ApiRoute } from '../gateway/route.js'
import { metronomeBody, metronomeIntake, metronomeRefusals } from './metronome/routes.js'
import { orbBody, orbExample, orbIntake, orbRefusals } from './orb/routes.js'
import {
  ingestsUsage,
  intakeProblems,
  type ProducerParts,
  producersTag,
  takeChosen,
} from './producer-route.js'

export interface SharedIngestParts {
  readonly orb: ProducerParts
  readonly metronome: ProducerParts
}

export function sharedIngestRoute({ orb, metronome }: SharedIngestParts): ApiRoute {
  const asMetronome = { parts: metronome, intake: metronomeIntake }
  return {
    method: 'POST',
    path: '/v1/ingest',
    audits: { exempt: 'usage is data, with its own source and id' },
    access: ingestsUsage,
    operationId: 'ingestOrbOrMetronomeEvents',
    tag: producersTag,
    summary: 'Take events of Orb or Metronome',
    description:
      'For clients of which only the host can be changed: a list is taken as Metronome’s, an object as Orb’s.',
    query: z.object({ debug: z.string().optional().describe('Of Orb: `true` tells the keys') }),
    body: {
      required: true,
      content: {
        'application/json': { schema: z.union([orbBody, metronomeBody]), example: orbExample },
      },
    },
    responses: {
      200: {
        description: 'All events are on disk.',
        schema: z.looseObject({ validation_failed: z.array(z.unknown()).optional().describe('Of Orb') }),
        example: { validation_failed: [] },
      },
    },
    problems: [...intakeProblems, 'invalid_request'],
    // What is no list is refused in Orb’s shape, as is what has not been read; a list in Metronome’s.
    refusals: { ...orbRefusals, schema: z.union([orbRefusals.schema, metronomeRefusals.schema]) },
    handle: call =>
      takeChosen(
        orb.events,
        body => (isList(body) ? asMetronome : { parts: orb, intake: orbIntake(orb.events.maxEvents) }),
        call,
      ),
  }
}

function isList(body: Buffer): boolean {
  return /^\s*\[/.test(body.subarray(0, 256).toString('latin1'))
}
