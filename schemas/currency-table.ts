// The minor unit of every currency: ISO 4217 list one (SIX Interbank Clearing, the standard's maintenance agency) as
// amended up to the end of 2025, written down by hand. Not from Intl, whose CLDR digits differ where cash does
// (e.g. ALL, IQD, LBP, MMK and UYW). Codes without a minor unit (metals, XDR, XTS, XXX) cannot be billed and are absent.
// ANG (withdrawn 2025) and BGN (withdrawn 2026) stay, because charges of those years are still corrected.

/** Digits after the point, then the codes that have so many. */
export const currenciesByMinorUnits: readonly (readonly [digits: number, codes: string])[] = [
  [
    2,
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD ' +
      'CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD ' +
      'GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA ' +
      'MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR ' +
      'RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD ' +
      'TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG',
  ],
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
  [4, 'CLF UYW'],
]
