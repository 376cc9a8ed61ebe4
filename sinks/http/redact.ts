// Removes secrets from the texts of receivers and errors before these are logged or kept.
// Invariants:
// 1. A secret of a connection leaves it only in the request that needs the secret.
// 2. The time grows with the length of the text and not with its square, whatever a receiver writes: an answer may have 8 MB.

const shown = 1_000
/** Fields of forms, query strings, JSON, XML and OAuth headers whose values are secrets. */
const secretFields =
  /\b((?:access_token|refresh_token|client_secret|client_assertion|assertion|password|api_key|oauth_signature|sessionid)["']?\s*[=:>]\s*["']?)[^\s"'&<,;]+/gi

/** A token of three parts; also its first part alone, so that no text is looked at twice (invariant 2). */
const maybeToken = /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)?/g

/** Text as it may be kept: at most 1,000 characters, on one line, with the secrets and what looks like one taken out. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap(formsOf))].toSorted((a, b) => b.length - a.length)
  return text => {
    let clean = text
    for (const form of forms) clean = clean.replaceAll(form, '[secret]')
    return clean
      .replaceAll(/\bwhsec_[A-Za-z0-9+/=_-]+/g, '[secret]')
      .replaceAll(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, '$1 [secret]')
      .replaceAll(maybeToken, found => (found.includes('.') ? '[secret]' : found))
      .replaceAll(secretFields, '$1[secret]')
      .replaceAll(/\/\/[^/\s:@]*:[^/\s@]*@/g, '//[secret]@')
      .replaceAll(/[\p{Cc}\s]+/gu, ' ')
      .trim()
      .slice(0, shown)
  }
}

/** The forms of a secret: plain, as in an address, and as in a header of basic authentication. */
function formsOf(secret: string): string[] {
  if (secret.length < 4) return secret === '' ? [] : [secret]
  const encoded = encodeURIComponent(secret)
  return [secret, encoded, Buffer.from(secret).toString('base64')]
}
