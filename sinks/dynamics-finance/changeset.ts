// A `$batch` with one changeset (OData 4.0, part 1, 11.7): several creations that take effect all or none. Dynamics 365 Finance
// takes it as multipart/mixed alone.
// Invariant: boundaries follow from the content, so the same requests are the same bytes and no content contains a boundary.

import { createHash } from 'node:crypto'
import { stringifyJson } from '../../schemas/json/json-text.js'

export interface Creation {
  /** Below the root of the service. */
  readonly path: string
  readonly body: object
}

export interface Changeset {
  readonly contentType: string
  readonly text: string
}

const eol = '\r\n'

export function changesetOf(root: string, creations: readonly Creation[]): Changeset {
  const bodies = creations.map(({ body }) => stringifyJson(body))
  const mark = createHash('sha256').update(bodies.join(eol)).digest('hex').slice(0, 32)
  const [batch, changeset] = [`batch_${mark}`, `changeset_${mark}`]
  const parts = creations.map(({ path }, index) =>
    [
      `--${changeset}`,
      'Content-Type: application/http',
      'Content-Transfer-Encoding: binary',
      `Content-ID: ${index + 1}`,
      '',
      `POST ${root}/${path} HTTP/1.1`,
      'Content-Type: application/json;odata.metadata=minimal',
      'Accept: application/json;odata.metadata=minimal',
      'Prefer: return=minimal',
      '',
      bodies[index],
      '',
    ].join(eol),
  )
  const text = [
    `--${batch}`,
    `Content-Type: multipart/mixed; boundary=${changeset}`,
    '',
    ...parts,
    `--${changeset}--`,
    '',
    `--${batch}--`,
    '',
  ].join(eol)
  return { contentType: `multipart/mixed; boundary=${batch}`, text }
}

export interface PartAnswer {
  readonly status: number
  readonly body: string
}

/**
 * The answers inside an answer to `$batch`. A changeset that failed as a whole has one answer, with the error; one that took
 * effect has one for each creation.
 */
export function answersIn(text: string): readonly PartAnswer[] {
  return text
    .split(/^HTTP\/1\.[01] /m)
    .slice(1)
    .map(part => {
      const status = Number(part.slice(0, 3))
      const [, body = ''] = part.split(/\r?\n\r?\n([\s\S]*)/)
      return { status, body: body.split(/^--\S/m)[0]!.trim() }
    })
}
