// What is kept of a number that must not be stored whole: of a card at most the first six digits and the last four (PCI DSS
// 4.0, requirement 3.4.1), of an account the first four characters of an IBAN and the last four. Of tax forms and identity
// papers only a status is kept.
// Invariant: masking what is masked already changes nothing.

const mask = '*'
/** 13 to 19 digits (ISO/IEC 7812-1), which may be grouped by single spaces or hyphens. */
const cardLike = /(?<![\d*])\d(?:[ -]?\d){12,18}(?![\d*])/g
/** Country, check digits and 11 to 30 characters (ISO 13616), in one piece or in groups of four. */
const ibanLike = /(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])/g

/** The statuses that a paper may travel with; anything else in its place becomes `provided`. */
const paperStatuses: ReadonlySet<string> = new Set([
  'missing',
  'requested',
  'provided',
  'pending',
  'valid',
  'verified',
  'invalid',
  'rejected',
  'expired',
])

export function maskCard(text: string): string {
  const plain = text.replaceAll(/[ -]/g, '')
  return plain.includes(mask) ? text : keepEnds(plain, 6, 4, 13)
}

export function maskAccount(text: string): string {
  const plain = text.replaceAll(/[ -]/g, '')
  if (plain.includes(mask)) return text
  return isIban(plain.toUpperCase()) ? keepEnds(plain, 4, 4, 15) : keepEnds(plain, 0, 4, 8)
}

export function paperStatus(text: string): string {
  return paperStatuses.has(text) ? text : 'provided'
}

/** A text in which whole card numbers and IBANs are masked. Other numbers stay. */
export function maskNumbers(text: string): string {
  if (text.length < 13 || !/\d{2}/.test(text)) return text
  const cardless = text.replace(cardLike, found =>
    isCard(found.replaceAll(/[ -]/g, '')) ? maskCard(found) : found,
  )
  return cardless.replace(ibanLike, found => (isIban(found.replaceAll(' ', '')) ? maskAccount(found) : found))
}

/** Keeps the first and the last characters; a text shorter than `least` keeps at most its last two. */
function keepEnds(text: string, first: number, last: number, least: number): string {
  const [from, until] = text.length >= least ? [first, last] : [0, Math.min(2, Math.floor(text.length / 4))]
  return text.slice(0, from) + mask.repeat(text.length - from - until) + text.slice(text.length - until)
}

/** A number of a card scheme (its first digits and length) whose check digit is right (ISO/IEC 7812-1, Luhn). */
function isCard(digits: string): boolean {
  return isOfScheme(digits) && luhnSum(digits) % 10 === 0
}

function isOfScheme(digits: string): boolean {
  const { length } = digits
  const four = Number(digits.slice(0, 4))
  if (digits.startsWith('4')) return length === 13 || length === 16 || length === 19 // Visa
  if ((four >= 5100 && four <= 5599) || (four >= 2221 && four <= 2720)) return length === 16 // Mastercard
  if (/^3[47]/.test(digits)) return length === 15 // American Express
  if (/^3(?:0[0-5]|[689])/.test(digits)) return length >= 14 // Diners Club
  return /^(?:6011|64[4-9]|65|62|35(?:2[89]|[3-8]\d))/.test(digits) && length >= 16 // Discover, UnionPay, JCB
}

function luhnSum(digits: string): number {
  let sum = 0
  for (let at = digits.length - 1, isDoubled = false; at >= 0; at -= 1, isDoubled = !isDoubled) {
    const digit = Number(digits[at])
    const value = isDoubled ? digit * 2 : digit
    sum += value > 9 ? value - 9 : value
  }
  return sum
}

/** The remainder by 97 is 1 (ISO 7064, MOD 97-10). */
function isIban(text: string): boolean {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(text)) return false
  let remainder = 0
  for (const character of text.slice(4) + text.slice(0, 4)) {
    for (const digit of String(Number.parseInt(character, 36)))
      remainder = (remainder * 10 + Number(digit)) % 97
  }
  return remainder === 1
}
