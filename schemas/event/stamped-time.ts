// The extension that says that `time` was stamped by the library that sent the event, anew at each try. Such a `time` is
// when the event happened, and no part of its content: the sender's own retry is a duplicate. Contract section 2.

/** By its presence the gateway marks what came from such a library; a sender may set it as well. */
export const stampedTimeName = 'weirstampedtime'

/** In the binary mode every attribute is a text. Any other value is nothing to us, as of an extension that we do not know. */
export function isTimeStamped(event: Readonly<Record<string, unknown>>): boolean {
  const mark = event[stampedTimeName]
  return mark === true || mark === 'true'
}
