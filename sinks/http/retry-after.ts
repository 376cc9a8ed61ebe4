// The header Retry-After (RFC 9110, 10.2.3): seconds, or the date of HTTP in one of its three forms. And X-RateLimit-Reset, which
// some send instead.

const longestMs = 24 * 3_600_000

/** Milliseconds to wait from `nowMs`, a day at most; undefined when the header is missing or says nothing. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  const text = header.trim()
  if (/^\d{1,10}$/.test(text)) return Math.min(longestMs, Number(text) * 1_000)
  // A date begins with its weekday; Date.parse takes much that is none.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(text)) return undefined
  const atMs = Date.parse(/(GMT|UTC)$/i.test(text) ? text : `${text} GMT`)
  return Number.isNaN(atMs) ? undefined : Math.min(longestMs, Math.max(0, atMs - nowMs))
}

/** The same for the epoch seconds at which a window ends; receivers that mean something else by the header say nothing. */
export function untilResetMs(header: string | null, nowMs: number): number | undefined {
  if (header === null || !/^\d{10}$/.test(header.trim())) return undefined
  return Math.min(longestMs, Math.max(0, Number(header) * 1_000 - nowMs))
}
